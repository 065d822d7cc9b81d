//! New settings for a gateway that serves.

use crate::client::Client;
use crate::harness::{GatewayHarness, until};

#[tokio::test]
async fn routes_and_upstreams_change_between_two_requests_of_a_connection() {
    let harness = GatewayHarness::with(&[]).await;
    let mut client = harness.client().await;
    assert_eq!(client.get("/away/x").await.problem(), (503, "upstream-down".into()));
    let mut held = held(&harness).await;
    harness.reload(&[
        ("route.1.upstream", "shop"),
        ("route.2.prefix", "/gate"),
        ("route.2.upstream", "away"),
    ]);
    assert_eq!(client.get("/away/x").await.status, 200);
    assert_eq!(client.get("/gate").await.problem(), (503, "upstream-down".into()));
    harness.shop.let_through(1);
    assert_eq!(held.response().await.status, 200, "a request ends with the settings that it began with");
}

#[tokio::test]
async fn a_lower_limit_counts_the_requests_in_flight() {
    let max = |max| [("upstream.shop.connections_max", max), ("client_in_flight_max", "8")];
    let harness = GatewayHarness::with(&max("3")).await;
    let mut held_by_shop = [held(&harness).await, held(&harness).await, held(&harness).await];
    harness.reload(&max("2"));
    let mut client = harness.client().await;
    for (nth, held) in held_by_shop.iter_mut().enumerate() {
        assert_eq!((nth, client.get("/").await.status), (nth, if nth < 2 { 503 } else { 200 }));
        harness.shop.let_through(1);
        assert_eq!(held.response().await.status, 200);
    }
    let _held = [self::held(&harness).await, self::held(&harness).await];
    assert_eq!(client.get("/").await.status, 503);
    harness.reload(&max("3"));
    until(async || client.get("/").await.status == 200).await;
    harness.reload(&[("client_in_flight_max", "2")]);
    assert_eq!(client.get("/").await.problem(), (429, "too-many-at-once".into()));
}

#[tokio::test]
async fn a_client_that_has_used_up_its_rate_gets_none_by_a_reload() {
    let harness =
        GatewayHarness::with(&[("limit.browse.burst", "3"), ("limit.browse.per_client", "1/m")]).await;
    let mut client = harness.client().await;
    for _ in 0..3 {
        assert_eq!(client.get("/").await.status, 200);
    }
    harness.reload(&[("limit.browse.burst", "3"), ("limit.browse.per_client", "2/m")]);
    assert_eq!(client.get("/").await.status, 429);
    harness.reload(&[("limit.browse.burst", "100")]);
    assert_eq!(client.get("/").await.status, 429);
    harness.clock.advance(20);
    assert_eq!(client.get("/").await.status, 200, "at the new rate, without the old one's debt");
}

/// A client whose request the shop holds until it is let through.
async fn held(harness: &GatewayHarness) -> Client {
    let before = harness.shop.count("/gate");
    let mut client = harness.client().await;
    client.send("GET /gate HTTP/1.1\r\nhost: shop\r\n\r\n").await;
    until(async || harness.shop.count("/gate") > before).await;
    client
}
