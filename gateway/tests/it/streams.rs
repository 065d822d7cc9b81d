//! HTTP/2 from the client, HTTP/1.1 to the shop.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::{Method, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::client::Client;
use crate::harness::{GatewayHarness, until};

type Sender = SendRequest<Full<Bytes>>;

#[expect(clippy::disallowed_methods, reason = "a client's connection ends with the test")]
async fn connect(harness: &GatewayHarness) -> (Sender, JoinHandle<()>) {
    let stream = TcpStream::connect(harness.address).await.unwrap();
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let driver = tokio::spawn(async move {
        let _ = connection.await;
    });
    (sender, driver)
}

#[tokio::test]
async fn a_client_that_reads_nothing_keeps_no_connection_of_the_shop() {
    let harness = GatewayHarness::with(&[("upstream.shop.connections_max", "1")]).await;
    let stream = TcpStream::connect(harness.address).await.unwrap();
    let mut http = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    http.initial_stream_window_size(1000);
    let (mut sender, connection) = http.handshake(TokioIo::new(stream)).await.unwrap();
    let mut driving = tokio::task::JoinSet::new();
    driving.spawn(connection);
    let unread = sender.send_request(request(Method::GET, "/late", "")).await.unwrap();
    assert_eq!(unread.status(), 200);
    let mut other = harness.client().await;
    assert_eq!(other.get("/").await.status, 503, "the response is still under way");
    harness.shop.let_through(1);
    until(async || other.get("/").await.status == 200).await;
    // What was read for it in advance is still whole.
    let body = unread.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body.len(), 60_000);
}

fn request(method: Method, path: &str, body: &'static str) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri(format!("http://shop{path}"));
    request.header("cookie", "a=1").header("cookie", "b=2").body(Full::from(body)).unwrap()
}

async fn ask(sender: &mut Sender, path: &str) -> (u16, String) {
    let answer = sender.send_request(request(Method::GET, path, "")).await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn many_requests_share_one_connection() {
    let harness = GatewayHarness::with(&[]).await;
    let (mut sender, _driver) = connect(&harness).await;
    assert_eq!(ask(&mut sender, "/x?y=1").await, (200, "ok".into()));
    let received = harness.shop.received().remove(0);
    assert_eq!((received.path.as_str(), received.headers("host")), ("/x?y=1", vec!["shop"]));
    assert_eq!(received.headers("cookie"), ["a=1; b=2"]);
    assert!(received.headers("via")[0].starts_with("2 firstcome-"));
    let held: Vec<_> = (0..50).map(|_| sender.send_request(request(Method::GET, "/gate", ""))).collect();
    until(async || harness.shop.count("/gate") == 50).await;
    assert_eq!(ask(&mut sender, "/").await.0, 200);
    harness.shop.let_through(50);
    for answer in held {
        assert_eq!(answer.await.unwrap().status(), 200);
    }
    let answer = sender.send_request(request(Method::POST, "/x", "hello")).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(harness.shop.received().last().unwrap().body, b"hello");
}

#[tokio::test]
async fn what_is_refused_over_one_line_is_refused_over_streams() {
    let harness = GatewayHarness::with(&[("body_max", "1000"), ("client_in_flight_max", "4")]).await;
    let (mut sender, _driver) = connect(&harness).await;
    assert_eq!(ask(&mut sender, "/a%2fb").await.0, 400);
    assert_eq!(ask(&mut sender, "/metrics").await.0, 404);
    assert_eq!(ask(&mut sender, "/own").await.0, 503);
    assert_eq!(ask(&mut sender, "/away").await.0, 503);
    let large: &'static str = "x".repeat(2000).leak();
    let answer = sender.send_request(request(Method::POST, "/x", large)).await.unwrap();
    assert_eq!(answer.status(), 413);
    let held: Vec<_> = (0..4).map(|_| sender.send_request(request(Method::GET, "/gate", ""))).collect();
    until(async || harness.shop.count("/gate") == 4).await;
    assert_eq!(ask(&mut sender, "/").await.0, 429);
    drop(held);
    // A stream that is reset gives its place back.
    until(async || ask(&mut sender, "/").await.0 == 200).await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let harness = GatewayHarness::with(&[("idle_timeout", "200ms")]).await;
    let (mut sender, driver) = connect(&harness).await;
    let held = sender.send_request(request(Method::GET, "/gate", ""));
    tokio::time::sleep(Duration::from_millis(700)).await;
    harness.shop.let_through(1);
    assert_eq!(held.await.unwrap().status(), 200);
    tokio::time::timeout(Duration::from_secs(10), driver).await.unwrap().unwrap();
    // A preface and then nothing.
    let mut silent = Client::to(harness.address).await;
    silent.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    silent.rest().await;
}

#[tokio::test]
async fn streams_that_are_opened_to_be_reset_end_the_connection() {
    let harness = GatewayHarness::with(&[]).await;
    let mut client = Client::to(harness.address).await;
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    client.send([0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
    // GET / of http://shop by the static table, and the stream's reset right behind it.
    let block = [&[0x82, 0x86, 0x84, 0x41, 4][..], b"shop"].concat();
    let mut flood = Vec::new();
    for n in 0..20_000_u32 {
        let stream = (2 * n + 1).to_be_bytes();
        flood.extend([&[0, 0, 9, 1, 5][..], &stream, &block].concat());
        flood.extend([&[0, 0, 4, 3, 0][..], &stream, &[0, 0, 0, 8]].concat());
    }
    client.send(&flood).await;
    client.rest().await;
    assert!(
        harness.shop.received().len() < 2000,
        "{} of 20,000 reset requests were forwarded",
        harness.shop.received().len()
    );
    assert_eq!(harness.client().await.get("/").await.status, 200);
}

#[tokio::test]
async fn a_soft_stop_finishes_the_streams_that_run() {
    let harness = GatewayHarness::with(&[]).await;
    let (mut sender, driver) = connect(&harness).await;
    let held = sender.send_request(request(Method::GET, "/gate", ""));
    until(async || harness.shop.count("/gate") == 1).await;
    let (ended, ()) = tokio::join!(harness.ctx.tasks.shut_down(Duration::from_secs(10)), async {
        harness.ctx.tasks.stopping().await;
        harness.shop.let_through(1);
        assert_eq!(held.await.unwrap().status(), 200);
        driver.await.unwrap();
    });
    assert_eq!(ended, service::tasks::Shutdown::Clean);
}
