//! A soft stop: what runs finishes, what is new is not taken.

use std::time::Duration;

use service::tasks::Shutdown;
use tokio::net::TcpStream;

use crate::harness::{GatewayHarness, until};

#[tokio::test]
async fn running_requests_finish_and_no_new_connection_is_taken() {
    let harness = GatewayHarness::with(&[]).await;
    let mut idle = harness.client().await;
    assert_eq!(idle.get("/").await.status, 200);
    let mut running = harness.client().await;
    running.send("GET /gate HTTP/1.1\r\nhost: shop\r\n\r\n").await;
    until(async || harness.shop.count("/gate") == 1).await;
    let (ended, ()) = tokio::join!(harness.ctx.tasks.shut_down(Duration::from_secs(10)), async {
        harness.ctx.tasks.stopping().await;
        assert_eq!(idle.rest().await, "");
        while TcpStream::connect(harness.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        harness.shop.let_through(1);
        assert_eq!(running.response().await.body, "ok");
        assert_eq!(running.rest().await, "");
    });
    assert_eq!(ended, Shutdown::Clean);
}
