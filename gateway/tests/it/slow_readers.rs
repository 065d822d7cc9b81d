//! Clients that read slowly or not at all: they hold the shop's only connection for a bounded time.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::client::Client;
use crate::harness::{GatewayHarness, until};
use crate::stub::LARGE;

/// One connection to the shop, and a short time to read nothing.
const ONE: [(&str, &str); 2] = [("upstream.shop.connections_max", "1"), ("write_stall_timeout", "600ms")];
/// Far less than the clients would need for their responses.
const BOUND: Duration = Duration::from_secs(8);

/// Waits until another client is served, and returns how long that took.
async fn until_served(harness: &GatewayHarness) -> Duration {
    let begun = Instant::now();
    let mut other = harness.client().await;
    until(async || other.get("/").await.status == 200).await;
    begun.elapsed()
}

/// An HTTP/2 client that has opened a stream for this path, and lets it send `window` bytes.
async fn http2(harness: &GatewayHarness, path: &str, window: u8) -> Client {
    let mut client = harness.client().await;
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    // SETTINGS_INITIAL_WINDOW_SIZE.
    client.send([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, window]).await;
    let block =
        [&[0x82, 0x86, 0x44, u8::try_from(path.len()).unwrap()][..], path.as_bytes(), &[0x41, 4], b"shop"];
    let block = block.concat();
    client.send([&[0, 0, u8::try_from(block.len()).unwrap(), 1, 5, 0, 0, 0, 1][..], &block].concat()).await;
    client
}

#[tokio::test]
async fn a_stream_with_window_0_ends_in_time() {
    let harness = GatewayHarness::with(&ONE).await;
    let _client = http2(&harness, "/large", 0).await;
    until(async || harness.shop.count("/large") == 1).await;
    assert_eq!(harness.client().await.get("/").await.status, 503);
    assert!(until_served(&harness).await < BOUND);
}

#[tokio::test]
async fn a_stream_that_is_read_in_drips_ends_in_time() {
    let harness = GatewayHarness::with(&ONE).await;
    let mut client = http2(&harness, "/large", 1).await;
    until(async || harness.shop.count("/large") == 1).await;
    let drip = async {
        loop {
            // WINDOW_UPDATE: one more byte of the stream.
            client.send([0, 0, 4, 8, 0, 0, 0, 0, 1, 0, 0, 0, 1]).await;
            sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = drip => {}
        took = until_served(&harness) => assert!(took < BOUND, "{took:?}"),
    }
}

#[tokio::test]
async fn a_connection_that_is_read_in_drips_ends_in_time() {
    let flags = [&ONE[..], &[("response_rate_min", "200000")]].concat();
    let harness = GatewayHarness::with(&flags).await;
    let mut client = Client::with_small_buffer(harness.address).await;
    client.send("GET /large HTTP/1.1\r\nhost: shop\r\n\r\n").await;
    client.rest_of_head().await;
    let drip = async {
        loop {
            client.bytes(2000).await;
            sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = drip => {}
        took = until_served(&harness) => assert!(took < BOUND, "{took:?}"),
    }
}

#[tokio::test]
async fn a_client_that_reads_at_a_fair_pace_gets_its_whole_response() {
    let flags = [&ONE[..], &[("response_rate_min", "200000")]].concat();
    let harness = GatewayHarness::with(&flags).await;
    let mut client = harness.client().await;
    client.send("GET /large HTTP/1.1\r\nhost: shop\r\n\r\n").await;
    client.rest_of_head().await;
    for _ in 0..16 {
        client.bytes(LARGE / 16).await;
        sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn streams_of_one_connection_share_the_lowest_rate() {
    let flags = [("write_stall_timeout", "600ms"), ("response_rate_min", "200000")];
    let harness = GatewayHarness::with(&flags).await;
    let stream = TcpStream::connect(harness.address).await.unwrap();
    let mut http = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    http.initial_stream_window_size(32 * 1024);
    let (sender, connection) = http.handshake(TokioIo::new(stream)).await.unwrap();
    let mut driving = tokio::task::JoinSet::new();
    driving.spawn(connection);
    // Each of 16 streams reads about 50 kB/s; together they are fast enough.
    let read = async || {
        let request = Request::get("http://shop/medium").body(Empty::<Bytes>::new()).unwrap();
        let mut body = sender.clone().send_request(request).await.unwrap().into_body();
        let (begun, mut size) = (Instant::now(), 0);
        while begun.elapsed() < Duration::from_secs(3) {
            size += body.frame().await.unwrap().unwrap().into_data().unwrap().len();
            // Frames may be small.
            let due = begun + Duration::from_micros(20 * u64::try_from(size).unwrap());
            tokio::time::sleep_until(due).await;
        }
        size
    };
    let sizes = futures_util::future::join_all((0..16).map(|_| read())).await;
    assert!(sizes.iter().all(|size| *size < 600_000), "too fast to show anything: {sizes:?}");
}

#[tokio::test]
async fn the_time_of_an_exchange_ends_although_the_client_reads_nothing() {
    let flags = [ONE[0], ("write_stall_timeout", "10m"), ("upstream.shop.exchange_timeout", "500ms")];
    let harness = GatewayHarness::with(&flags).await;
    let _client = http2(&harness, "/large", 0).await;
    until(async || harness.shop.count("/large") == 1).await;
    assert!(until_served(&harness).await < BOUND);
}
