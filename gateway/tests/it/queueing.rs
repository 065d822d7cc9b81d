//! A shop at its limit: requests wait in the queues of their classes, and orders come first.

use std::time::Duration;

use crate::client::{Client, ClientResponse};
use crate::harness::{GatewayHarness, until};

/// Room for one request, and orders that wait for longer than a test takes.
const ONE: [(&str, &str); 5] = [
    ("upstream.shop.connections_max", "1"),
    ("upstream.shop.order_wait", "10s"),
    ("route.2.prefix", "/orders"),
    ("route.2.upstream", "shop"),
    ("route.2.class", "order"),
];

/// A client whose request the shop serves until it is let through.
async fn occupied(harness: &GatewayHarness) -> Client {
    let before = harness.shop.count("/gate");
    let mut client = harness.client().await;
    client.send("GET /gate HTTP/1.1\r\nhost: shop\r\n\r\n").await;
    until(async || harness.shop.count("/gate") > before).await;
    client
}

async fn send(harness: &GatewayHarness, path: &str, headers: &str) -> Client {
    let mut client = harness.client().await;
    client.send(format!("GET {path} HTTP/1.1\r\nhost: shop\r\n{headers}\r\n")).await;
    client
}

fn is_full(answer: &ClientResponse) -> bool {
    answer.problem() == (503, "upstream-full".into())
}

#[tokio::test]
async fn an_order_waits_for_a_full_shop_and_is_served() {
    let harness = GatewayHarness::with(&ONE).await;
    let mut held = occupied(&harness).await;
    let mut order = send(&harness, "/orders/new", "").await;
    assert!(is_full(&harness.client().await.get("/").await));
    assert_eq!(harness.shop.count("/orders/new"), 0);
    harness.shop.let_through(1);
    assert_eq!(held.response().await.status, 200);
    assert_eq!(order.response().await.status, 200);
}

#[tokio::test]
async fn an_order_that_comes_last_is_served_first() {
    let mut flags = ONE.to_vec();
    flags.extend([("route.3.prefix", "/more"), ("route.3.upstream", "shop")]);
    let harness = GatewayHarness::with(&flags).await;
    // Only a short wait is certain for browsing, so that the test repeats until both have waited.
    for _ in 0..100 {
        let mut held = occupied(&harness).await;
        let mut browse = send(&harness, "/more/products", "").await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        let mut order = send(&harness, "/orders/echo", "").await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        harness.shop.let_through(1);
        held.response().await;
        assert_eq!(order.response().await.status, 200);
        if browse.response().await.status == 200 {
            let received = harness.shop.received();
            let last: Vec<_> = received.iter().rev().take(2).map(|request| request.path.as_str()).collect();
            assert_eq!(last, ["/more/products", "/orders/echo"]);
            return;
        }
    }
    panic!("the machine is too slow for a wait of 50 ms");
}

#[tokio::test]
async fn an_order_that_waits_too_long_is_503() {
    let mut flags = ONE;
    flags[1] = ("upstream.shop.order_wait", "30ms");
    let harness = GatewayHarness::with(&flags).await;
    let _held = occupied(&harness).await;
    let answer = harness.client().await.get("/orders").await;
    assert!(is_full(&answer), "{answer:?}");
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test]
async fn a_client_that_leaves_the_queue_takes_no_permit_along() {
    let harness = GatewayHarness::with(&ONE).await;
    for _ in 0..20 {
        let mut held = occupied(&harness).await;
        let leaving = send(&harness, "/orders/left", "").await;
        let mut staying = send(&harness, "/orders/stayed", "").await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        drop(leaving);
        harness.shop.let_through(1);
        assert_eq!(held.response().await.status, 200);
        assert_eq!(staying.response().await.status, 200);
    }
    let mut client = harness.client().await;
    until(async || client.get("/").await.status == 200).await;
}

#[tokio::test]
async fn a_crawler_never_waits_on_any_route_and_no_header_makes_an_order() {
    let harness = GatewayHarness::with(&ONE).await;
    let _held = occupied(&harness).await;
    let begun = tokio::time::Instant::now();
    let answer = harness.client().await.get_with("/orders/new", "user-agent: Googlebot/2.1\r\n").await;
    assert!(is_full(&answer), "{answer:?}");
    let claims = "x-class: order\r\npriority: u=0\r\ncookie: class=order\r\n";
    assert!(is_full(&harness.client().await.get_with("/", claims).await));
    assert!(begun.elapsed() < Duration::from_secs(5), "an order waits for 10 s");
}

#[tokio::test]
async fn a_request_that_a_full_shop_refuses_does_not_count_for_the_client_s_rate() {
    let mut flags = ONE.to_vec();
    flags.extend([("limit.browse.per_client", "1/m"), ("limit.browse.burst", "3")]);
    let harness = GatewayHarness::with(&flags).await;
    let mut held = occupied(&harness).await;
    let mut client = harness.client().await;
    for _ in 0..10 {
        assert!(is_full(&client.get("/").await));
    }
    harness.shop.let_through(1);
    assert_eq!(held.response().await.status, 200);
    for status in [200, 200, 429] {
        assert_eq!(client.get("/").await.status, status);
    }
}

/// The value of a metric of the upstream `metered`; zero before it is counted.
fn metric(name: &str, class: &str) -> f64 {
    let series = format!("{name}{{upstream=\"metered\",class=\"{class}\"}} ");
    let text = service::telemetry::render();
    text.lines().find_map(|line| line.strip_prefix(&series)).map_or(0.0, |value| value.parse().unwrap())
}

#[tokio::test]
async fn the_queues_are_metered_by_upstream_and_class() {
    service::telemetry::render();
    // The metrics recorder is shared by all tests of the process, so this test has an upstream of its own.
    let harness = GatewayHarness::with(&[
        ("upstream.metered.url", "{shop}"),
        ("upstream.metered.connections_max", "1"),
        ("upstream.metered.order_wait", "10s"),
        ("route.2.prefix", "/gate"),
        ("route.2.upstream", "metered"),
        ("route.3.prefix", "/orders"),
        ("route.3.upstream", "metered"),
        ("route.3.class", "order"),
    ])
    .await;
    let mut held = occupied(&harness).await;
    let mut order = send(&harness, "/orders/new", "").await;
    until(async || metric("firstcome_gateway_queue_length", "order") >= 1.0).await;
    let crawled = harness.client().await.get_with("/gate", "user-agent: Googlebot/2.1\r\n").await;
    assert!(is_full(&crawled), "{crawled:?}");
    harness.shop.let_through(1);
    assert_eq!(held.response().await.status, 200);
    assert_eq!(order.response().await.status, 200);
    assert!(metric("firstcome_gateway_queue_wait_seconds_count", "order") >= 1.0);
    assert!(metric("firstcome_gateway_queue_refused_total", "bot") >= 1.0);
}

#[tokio::test]
async fn a_client_that_sends_half_a_body_keeps_no_request_from_the_shop() {
    let harness = GatewayHarness::with(&ONE).await;
    let mut slow = harness.client().await;
    slow.send("POST /slow HTTP/1.1\r\nhost: shop\r\ncontent-length: 8\r\n\r\nhalf").await;
    let mut client = harness.client().await;
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(client.get("/").await.status, 200);
    }
    assert_eq!(harness.shop.count("/slow"), 0);
    slow.send("half").await;
    assert_eq!(slow.response().await.status, 200);
    let received = harness.shop.received();
    let last = received.last().unwrap();
    assert_eq!((last.path.as_str(), last.body.as_slice()), ("/slow", &b"halfhalf"[..]));
    assert_eq!(last.headers("content-length"), ["8"]);
}

#[tokio::test]
async fn a_long_body_arrives_whole_whatever_its_framing() {
    let harness = GatewayHarness::with(&[]).await;
    let mut client = harness.client().await;
    for size in [1, 65_535, 65_536, 65_537, 300_000] {
        let body: String = ('a'..='z').cycle().take(size).collect();
        client.send(format!("POST /x HTTP/1.1\r\nhost: shop\r\ncontent-length: {size}\r\n\r\n{body}")).await;
        assert_eq!(client.response().await.status, 200, "{size}");
        assert!(harness.shop.received().last().unwrap().body == body.as_bytes(), "{size}");
        let chunk = |piece: &[u8]| format!("{:x}\r\n{}\r\n", piece.len(), str::from_utf8(piece).unwrap());
        let pieces = body.as_bytes().chunks(7000).map(chunk).collect::<Vec<_>>().concat();
        let mut chunked = harness.client().await;
        chunked
            .send(format!(
                "POST /x HTTP/1.1\r\nhost: shop\r\ntransfer-encoding: chunked\r\n\r\n{pieces}0\r\n\r\n"
            ))
            .await;
        assert_eq!(chunked.response().await.status, 200, "{size} in chunks");
        assert!(harness.shop.received().last().unwrap().body == body.as_bytes(), "{size} in chunks");
    }
}
