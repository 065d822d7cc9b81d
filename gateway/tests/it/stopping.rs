//! A soft stop: what runs finishes, what is new is not taken.

use std::time::Duration;

use service::tasks::Shutdown;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::client::Client;

use crate::harness::{GatewayHarness, until};

const HEALTH: &str = "/gateway/com/v1/check/health";

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

#[tokio::test]
async fn the_health_address_has_no_limits_and_says_that_the_gateway_stops() {
    let flags =
        [("limit.browse.per_client", "1/m"), ("limit.browse.burst", "1"), ("client_in_flight_max", "1")];
    let harness = GatewayHarness::with(&[&flags[..], &[("drain_delay", "300ms")]].concat()).await;
    let mut client = harness.client().await;
    for _ in 0..20 {
        let answer = client.get(HEALTH).await;
        assert_eq!((answer.status, answer.body.as_str(), answer.header("connection")), (200, "ok\n", None));
    }
    let (answer, ()) = tokio::join!(
        async {
            harness.ctx.tasks.draining().await;
            client.get(HEALTH).await
        },
        harness.ctx.tasks.drain(),
    );
    assert_eq!((answer.status, answer.body.as_str()), (503, "stopping\n"));
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(harness.shop.received().len(), 0);
}

/// A client behind a load balancer of two gateways, which looks at their health ten times a second. Returns how many requests it sent;
/// panics at the first that fails.
async fn balanced_client(addresses: [std::net::SocketAddr; 2], end: Instant) -> usize {
    let (mut sent, mut checked) = (0, Instant::now());
    let (mut at, mut client) = (0, Client::to(addresses[0]).await);
    while Instant::now() < end {
        if at == 0 && checked.elapsed() > Duration::from_millis(100) {
            checked = Instant::now();
            if Client::to(addresses[0]).await.get(HEALTH).await.status != 200 {
                (at, client) = (1, Client::to(addresses[1]).await);
            }
        }
        let answer = client.get("/echo/x").await;
        assert_eq!(answer.body, "/echo/x");
        sent += 1;
        if answer.header("connection") == Some("close") {
            client = Client::to(addresses[at]).await;
        }
        sleep(Duration::from_millis(1)).await;
    }
    sent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_stops_under_load_fails_no_request() {
    let stopping = GatewayHarness::with(&[("drain_delay", "1s")]).await;
    let other = GatewayHarness::with(&[]).await;
    let end = Instant::now() + Duration::from_secs(3);
    let clients = (0..20).map(|_| balanced_client([stopping.address, other.address], end));
    let stop = async {
        sleep(Duration::from_millis(500)).await;
        stopping.ctx.tasks.drain().await;
        assert_eq!(stopping.ctx.tasks.shut_down(Duration::from_secs(5)).await, Shutdown::Clean);
        assert!(Instant::now() < end, "the stop waits for no client that has gone elsewhere");
    };
    let (sent, ()) = tokio::join!(futures_util::future::join_all(clients), stop);
    let (before, after) = (stopping.shop.count("/echo/x"), other.shop.count("/echo/x"));
    assert_eq!(sent.iter().sum::<usize>(), before + after);
    assert!(before > 100 && after > 100, "{before} and {after}");
}
