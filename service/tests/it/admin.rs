//! The routes for health checks and metrics.

use std::time::Duration;

use crate::harness::{context, limits, start};
use service::admin;
use testkit::RawClient;

#[tokio::test]
async fn a_failing_check_affects_readyz_but_not_livez() {
    let ctx = context();
    let queue = ctx.health.check("queue");
    let mut client = RawClient::connect(start(admin::routes(&ctx), limits(), &ctx)).await;

    let response = client.get("/readyz").await;
    assert_eq!((response.status, response.body.as_str()), (503, "[-]queue not started yet\n"));
    assert_eq!(client.get("/livez").await.status, 200);

    queue.warn("durability is declared in the settings, not checked");
    let response = client.get("/readyz").await;
    assert_eq!((response.status, response.body.as_str()), (200, "ok\n"));
    assert_eq!(
        client.get("/readyz?verbose").await.body,
        "[!]queue durability is declared in the settings, not checked\n"
    );

    queue.fail("lost");
    assert_eq!(client.get("/readyz").await.status, 503);
    assert_eq!(client.get("/livez").await.status, 200);
    ctx.tasks.shut_down(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn metrics_are_in_the_prometheus_text_format() {
    let ctx = context();
    service::telemetry::render();
    let mut client = RawClient::connect(start(admin::routes(&ctx), limits(), &ctx)).await;
    client.get("/livez").await;
    let response = client.get("/metrics").await;
    assert_eq!(response.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(
        response.body.contains("# TYPE firstcome_http_request_duration_seconds histogram"),
        "{}",
        response.body
    );
    assert!(response.body.contains("\nfirstcome_http_active_requests "), "{}", response.body);
}
