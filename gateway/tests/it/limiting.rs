//! Limits: they refuse the client that exceeds its rate, and no other.

use std::time::Duration;

use crate::client::Client;
use crate::harness::{GatewayHarness, until};

const TIGHT: [(&str, &str); 2] = [("limit.browse.per_client", "10/s"), ("limit.browse.burst", "5")];

#[tokio::test]
async fn who_asks_too_fast_is_429_until_time_has_passed() {
    let harness = GatewayHarness::with(&TIGHT).await;
    let mut client = harness.client().await;
    for _ in 0..5 {
        assert_eq!(client.get("/").await.status, 200);
    }
    let answer = client.get("/").await;
    assert_eq!(answer.problem(), (429, "too-many-requests".into()));
    assert!(answer.header("retry-after").unwrap().parse::<u32>().unwrap() >= 1);
    assert_eq!(answer.header("connection"), None, "the client may ask again on the same connection");
    // Neither another connection nor another spelling nor a forged address is another client.
    assert_eq!(harness.client().await.ask("//%62", "x-forwarded-for: 9.9.9.9\r\n").await.status, 429);
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
    let mut ask = async |address: &str| {
        let forged = format!("x-forwarded-for: 6.6.6.6, {address}\r\n");
        client.ask("/", &forged).await.status
    };
    for n in 0..5 {
        assert_eq!(ask(&format!("2001:db8::{n}")).await, 200);
    }
    assert_eq!(ask("2001:db8::ffff").await, 429, "a /64 is one client");
    assert_eq!(ask("2001:db8:0:1::1").await, 200);
    assert_eq!(ask("198.51.100.1").await, 200);
}

#[tokio::test]
async fn when_all_together_ask_too_much_it_is_503() {
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
async fn a_request_without_a_place_takes_no_share_of_the_global_limit() {
    let flags = [("limit.browse.global", "10/s"), ("upstream.shop.connections_max", "1")];
    let harness = GatewayHarness::with(&flags).await;
    let mut held = harness.client().await;
    held.send("GET /gate HTTP/1.1\r\nhost: shop\r\n\r\n").await;
    until(async || harness.shop.count("/gate") == 1).await;
    // One more request a tenth of a second: it finds no place, and leaves the share to the next.
    harness.clock.advance(100);
    assert_eq!(harness.client().await.get("/").await.problem(), (503, "upstream-full".into()));
    harness.shop.let_through(1);
    assert_eq!(held.answer().await.status, 200);
    assert_eq!(held.get("/").await.status, 200);
}

#[tokio::test]
async fn a_client_has_no_more_under_way_than_it_may() {
    let harness = GatewayHarness::with(&[("client_in_flight_max", "2")]).await;
    let mut held = Vec::new();
    for n in 1..=2 {
        let mut client = harness.client().await;
        client.send("GET /gate HTTP/1.1\r\nhost: shop\r\n\r\n").await;
        until(async || harness.shop.count("/gate") == n).await;
        held.push(client);
    }
    assert_eq!(harness.client().await.get("/").await.problem(), (429, "too-many-at-once".into()));
    assert_eq!(Client::from([127, 0, 0, 2].into(), harness.address).await.get("/").await.status, 200);
    harness.shop.let_through(2);
    for client in &mut held {
        assert_eq!(client.answer().await.status, 200);
    }
    until(async || harness.client().await.get("/").await.status == 200).await;
}

#[tokio::test]
async fn two_hundred_phones_behind_one_address_poll_without_being_held_back() {
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
async fn metrics_carry_names_of_routes_and_reasons_and_never_paths() {
    service::telemetry::render();
    // The recorder belongs to the process, so that this test counts on a route of its own.
    let flags = [
        ("route.2.prefix", "/metered"),
        ("route.2.upstream", "shop"),
        ("route.2.limit", "metered"),
        ("limit.metered.per_client", "10/s"),
        ("limit.metered.burst", "5"),
    ];
    let harness = GatewayHarness::with(&flags).await;
    let mut client = harness.client().await;
    for _ in 0..6 {
        client.get("/metered/very-secret").await;
    }
    client.get("/metered/a%2fsecret").await;
    tokio::time::timeout(
        Duration::from_secs(10),
        until(async || {
            service::telemetry::render().contains("firstcome_gateway_client_keys{limit=\"metered\"} 1")
        }),
    )
    .await
    .unwrap();
    let text = service::telemetry::render();
    for line in [
        "firstcome_gateway_requests_total{route=\"/metered\",class=\"2xx\"} 5",
        "firstcome_gateway_requests_total{route=\"/metered\",class=\"4xx\"} 1",
        "firstcome_gateway_refused_total{route=\"/metered\",reason=\"too-many-requests\"} 1",
        "firstcome_gateway_refused_total{route=\"unrouted\",reason=\"ambiguous-path\"} ",
        "firstcome_gateway_upstream_duration_seconds_count{upstream=\"shop\"} ",
        "firstcome_gateway_upstream_in_flight{upstream=\"shop\"} ",
        "firstcome_gateway_upstream_connections{upstream=\"shop\"} ",
        "http_route=\"/metered\",http_response_status_code=\"200\"",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("secret"), "{text}");
}
