//! Limits: they refuse the client that exceeds its rate, and no other.

use std::time::Duration;

use crate::client::Client;
use crate::harness::{GatewayHarness, until};

const TIGHT: [(&str, &str); 2] = [("limit.browse.per_client", "10/s"), ("limit.browse.burst", "5")];

#[tokio::test]
async fn a_client_over_its_rate_gets_429_until_its_bucket_refills() {
    let harness = GatewayHarness::with(&TIGHT).await;
    let mut client = harness.client().await;
    for _ in 0..5 {
        assert_eq!(client.get("/").await.status, 200);
    }
    let response = client.get("/").await;
    assert_eq!(response.problem(), (429, "too-many-requests".into()));
    assert!(response.header("retry-after").unwrap().parse::<u32>().unwrap() >= 1);
    assert_eq!(response.header("ratelimit-policy"), Some("\"browse\";q=5;w=1"));
    assert_eq!(response.header("ratelimit"), Some("\"browse\";r=0;t=1"));
    let again = client.get("/").await;
    assert_eq!(again.header("retry-after"), response.header("retry-after"), "a reload finds no shorter wait");
    assert_eq!(response.header("connection"), None, "the client may try again on the same connection");
    // A new connection, another encoding of the path, or a forged X-Forwarded-For does not make another client.
    assert_eq!(harness.client().await.get_with("//%62", "x-forwarded-for: 9.9.9.9\r\n").await.status, 429);
    assert_eq!(Client::from([127, 0, 0, 2].into(), harness.address).await.get("/").await.status, 200);
    // The signup service has a limit of its own.
    assert_eq!(client.get("/event/com/v1/get/progress/spring").await.status, 200);
    harness.clock.advance(100);
    assert_eq!(client.get("/").await.status, 200);
    assert_eq!(client.get("/").await.status, 429);
    assert_eq!(harness.shop.received().len(), 8);
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_has_its_own_limit() {
    let harness = GatewayHarness::with(&[TIGHT[0], TIGHT[1], ("trusted_proxies", "127.0.0.1")]).await;
    let mut client = harness.client().await;
    let mut get_from = async |address: &str| {
        let forwarded_for = format!("x-forwarded-for: 6.6.6.6, {address}\r\n");
        client.get_with("/", &forwarded_for).await.status
    };
    for n in 0..5 {
        assert_eq!(get_from(&format!("2001:db8::{n}")).await, 200);
    }
    assert_eq!(get_from("2001:db8::ffff").await, 429, "a /64 is one client");
    assert_eq!(get_from("2001:db8:0:1::1").await, 200);
    assert_eq!(get_from("198.51.100.1").await, 200);
}

#[tokio::test]
async fn requests_over_the_global_limit_get_503() {
    let harness = GatewayHarness::with(&[("limit.browse.global", "50/s")]).await;
    let mut client = harness.client().await;
    for _ in 0..5 {
        assert_eq!(client.get("/").await.status, 200);
    }
    let another = || Client::from([127, 0, 0, 2].into(), harness.address);
    assert_eq!(another().await.get("/").await.problem(), (503, "gateway-full".into()));
    assert_eq!(client.get("/event/com/v1/list/event").await.status, 200);
}

#[tokio::test]
async fn a_request_without_a_permit_takes_no_token_of_the_global_limit() {
    let settings = [("limit.browse.global", "10/s"), ("upstream.shop.connections_max", "1")];
    let harness = GatewayHarness::with(&settings).await;
    let mut waiting = harness.client().await;
    waiting.send("GET /gate HTTP/1.1\r\nhost: shop\r\n\r\n").await;
    until(async || harness.shop.count("/gate") == 1).await;
    // The global limit allows one request per 100 ms. This one gets no upstream permit, so its token must stay for the next.
    harness.clock.advance(100);
    assert_eq!(harness.client().await.get("/").await.problem(), (503, "upstream-full".into()));
    harness.shop.let_through(1);
    assert_eq!(waiting.response().await.status, 200);
    assert_eq!(waiting.get("/").await.status, 200);
}

#[tokio::test]
async fn requests_over_client_in_flight_max_get_429() {
    let harness = GatewayHarness::with(&[("client_in_flight_max", "2")]).await;
    let mut waiting = Vec::new();
    for n in 1..=2 {
        let mut client = harness.client().await;
        client.send("GET /gate HTTP/1.1\r\nhost: shop\r\n\r\n").await;
        until(async || harness.shop.count("/gate") == n).await;
        waiting.push(client);
    }
    assert_eq!(harness.client().await.get("/").await.problem(), (429, "too-many-at-once".into()));
    assert_eq!(Client::from([127, 0, 0, 2].into(), harness.address).await.get("/").await.status, 200);
    harness.shop.let_through(2);
    for client in &mut waiting {
        assert_eq!(client.response().await.status, 200);
    }
    until(async || harness.client().await.get("/").await.status == 200).await;
}

#[tokio::test]
async fn requests_over_client_in_flight_max_do_not_count_for_the_rate() {
    let flags =
        [("limit.browse.per_client", "1/m"), ("limit.browse.burst", "2"), ("client_in_flight_max", "1")];
    let harness = GatewayHarness::with(&flags).await;
    let mut waiting = harness.client().await;
    waiting.send("GET /gate HTTP/1.1\r\nhost: shop\r\n\r\n").await;
    until(async || harness.shop.count("/gate") == 1).await;
    let mut client = harness.client().await;
    for _ in 0..5 {
        assert_eq!(client.get("/").await.problem(), (429, "too-many-at-once".into()));
    }
    harness.shop.let_through(1);
    assert_eq!(waiting.response().await.status, 200);
    until(async || client.get("/").await.status == 200).await;
    assert_eq!(client.get("/").await.problem(), (429, "too-many-requests".into()));
}

#[tokio::test]
async fn an_ipv6_network_over_its_share_of_requests_in_flight_gets_429() {
    let flags = [("client_in_flight_max", "1"), ("trusted_proxies", "127.0.0.1")];
    let harness = GatewayHarness::with(&flags).await;
    let mut waiting = Vec::new();
    for n in 1..=4 {
        let mut client = harness.client().await;
        client
            .send(format!("GET /gate HTTP/1.1\r\nhost: shop\r\nx-forwarded-for: 2001:db8:0:{n}::1\r\n\r\n"))
            .await;
        until(async || harness.shop.count("/gate") == n).await;
        waiting.push(client);
    }
    let status = async |address: &str| {
        harness.client().await.get_with("/", &format!("x-forwarded-for: {address}\r\n")).await.status
    };
    assert_eq!(status("2001:db8:0:5::1").await, 429, "four times a client's share is used up by the /56");
    assert_eq!(status("2001:db8:0:100::1").await, 200);
    harness.shop.let_through(4);
    for client in &mut waiting {
        assert_eq!(client.response().await.status, 200);
    }
    until(async || status("2001:db8:0:5::1").await == 200).await;
}

#[tokio::test]
async fn of_an_ipv6_network_over_its_rate_only_orders_wait() {
    let flags = [
        ("limit.browse.per_client", "1/m"),
        ("limit.browse.burst", "2"),
        ("trusted_proxies", "127.0.0.1"),
        ("upstream.shop.connections_max", "1"),
        ("upstream.shop.order_wait", "10s"),
        ("route.2.prefix", "/orders"),
        ("route.2.upstream", "shop"),
        ("route.2.class", "order"),
    ];
    let harness = GatewayHarness::with(&flags).await;
    let get = async |path: &str, address: &str| {
        harness.client().await.get_with(path, &format!("x-forwarded-for: {address}\r\n")).await.status
    };
    // Ten clients of a /56 whose rate is that of four.
    for n in 0..10 {
        assert_eq!(get("/orders", &format!("2001:db8:0:{n}::1")).await, 200);
    }
    let mut waiting = harness.client().await;
    waiting.send("GET /gate HTTP/1.1\r\nhost: shop\r\nx-forwarded-for: 192.0.2.1\r\n\r\n").await;
    until(async || harness.shop.count("/gate") == 1).await;
    assert_eq!(get("/", "2001:db8:0:11::1").await, 503, "served like a crawler: at once or not at all");
    let (order, crowded_order, ()) =
        tokio::join!(get("/orders", "2001:db8:0:100::1"), get("/orders", "2001:db8:0:12::1"), async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            harness.shop.let_through(1);
        });
    assert_eq!(order, 200, "an order of another /56 waits for its turn");
    assert_eq!(crowded_order, 200, "and so does one of the crowded /56");
    assert_eq!(waiting.response().await.status, 200);
}

#[tokio::test]
async fn two_hundred_phones_behind_one_address_poll_without_429() {
    let harness = GatewayHarness::with(&[]).await;
    let mut client = harness.client().await;
    for _ in 0..3 {
        for _ in 0..200 {
            assert_eq!(client.get("/event/com/v1/get/progress/spring").await.status, 200);
        }
        harness.clock.advance(1000);
    }
}

#[tokio::test]
async fn metrics_are_labelled_by_route_prefix_and_never_by_request_path() {
    service::telemetry::render();
    // The metrics recorder is shared by all tests of the process, so this test uses a route of its own.
    let settings = [
        ("route.2.prefix", "/metered"),
        ("route.2.upstream", "shop"),
        ("route.2.limit", "metered"),
        ("limit.metered.per_client", "10/s"),
        ("limit.metered.burst", "5"),
    ];
    let harness = GatewayHarness::with(&settings).await;
    let mut client = harness.client().await;
    for _ in 0..6 {
        client.get("/metered/very-secret").await;
    }
    client.get("/metered/a%2fsecret").await;
    let text = service::telemetry::render();
    for line in [
        "firstcome_gateway_requests_total{route=\"/metered\",status=\"2xx\"} 5",
        "firstcome_gateway_requests_total{route=\"/metered\",status=\"4xx\"} 1",
        "firstcome_gateway_refused_total{route=\"/metered\",reason=\"too-many-requests\"} 1",
        "firstcome_gateway_refused_total{route=\"unrouted\",reason=\"ambiguous-path\"} ",
        "firstcome_gateway_upstream_duration_seconds_count{upstream=\"shop\"} ",
        "firstcome_gateway_upstream_in_flight{upstream=\"shop\"} ",
        "firstcome_gateway_client_keys_replaced_total ",
        "firstcome_gateway_upstream_connections{upstream=\"shop\"} ",
        "http_route=\"/metered\",http_response_status_code=\"200\"",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("secret"), "{text}");
}
