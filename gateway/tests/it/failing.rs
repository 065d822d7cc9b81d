//! A shop that is away, slow, or breaks off: the client is told in time, and nothing is done twice.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::harness::{GatewayHarness, until};

/// Accepts one connection and responds to its requests, to `/held` only when notified.
async fn serve_one(listener: &TcpListener, held: &Notify) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    while stream.read_buf(&mut request).await.unwrap() > 0 {
        if request.ends_with(b"\r\n\r\n") {
            if request.starts_with(b"GET /held ") {
                held.notified().await;
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
            request.clear();
        }
    }
}

#[tokio::test]
async fn a_connect_timeout_leaves_the_idle_connections_of_the_only_process_in_use() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let url = format!("http://{address}");
    let flags = [("upstream.shop.url", url.as_str()), ("upstream.shop.connect_timeout", "200ms")];
    let harness = GatewayHarness::with(&flags).await;
    let held = Arc::new(Notify::new());
    let is_held = Arc::clone(&held);
    let mut shop = JoinSet::new();
    shop.spawn(async move { serve_one(&listener, &is_held).await });
    let mut client = harness.client().await;
    assert_eq!(client.get("/").await.status, 200);
    // As when the packets of a connection are lost: the queue of connections to accept is full.
    let mut queued = Vec::new();
    while let Ok(stream) = tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(address)).await
    {
        queued.push(stream.unwrap());
        assert!(queued.len() < 100, "connections are still accepted");
    }
    client.send("GET /held HTTP/1.1\r\nhost: shop\r\n\r\n").await;
    // The request is under way before the next one needs a connection.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut other = harness.client().await;
    assert_eq!(other.get("/").await.problem(), (503, "upstream-down".into()));
    held.notify_one();
    assert_eq!(client.response().await.status, 200);
    for _ in 0..3 {
        assert_eq!(other.get("/").await.status, 200, "over the idle connection");
    }
}

#[tokio::test]
async fn a_shop_that_is_away_is_503_with_a_wait() {
    let harness = GatewayHarness::with(&[]).await;
    let answer = harness.client().await.get("/away").await;
    assert_eq!(answer.problem(), (503, "upstream-down".into()));
    let wait: u32 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((5..=11).contains(&wait), "{wait}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let page = harness.client().await.get_with("/away", "accept: text/html\r\naccept-language: en\r\n").await;
    assert_eq!((page.status, page.header("content-type")), (503, Some("text/html; charset=utf-8")));
    assert!(
        page.body.contains("<html lang=\"en\">") && page.body.contains("http-equiv=\"refresh\""),
        "{page:?}"
    );
    assert!(page.body.len() < 4096);
}

#[tokio::test]
async fn a_shop_that_does_not_answer_is_504_in_time() {
    let harness = GatewayHarness::with(&[("upstream.shop.answer_timeout", "100ms")]).await;
    let mut client = harness.client().await;
    assert_eq!(client.get("/silent").await.problem(), (504, "upstream-slow".into()));
    client.send("POST /silent HTTP/1.1\r\nhost: shop\r\ncontent-length: 2\r\n\r\nhi").await;
    assert_eq!(client.response().await.problem(), (504, "upstream-slow".into()));
    until(async || harness.shop.open() == 0).await;
    assert_eq!(harness.shop.count("/silent"), 2, "what may have been carried out is not sent again");
}

#[tokio::test]
async fn a_client_that_sends_slowly_is_not_taken_for_a_slow_shop() {
    let harness = GatewayHarness::with(&[("upstream.shop.answer_timeout", "100ms")]).await;
    let mut client = harness.client().await;
    for half in [2, 100_000] {
        let (half, length) = ("x".repeat(half), 2 * half);
        client
            .send(format!("POST /x HTTP/1.1\r\nhost: shop\r\ncontent-length: {length}\r\n\r\n{half}"))
            .await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        client.send(&half).await;
        assert_eq!(client.response().await.status, 200, "{length}");
    }
}

#[tokio::test]
async fn an_answer_that_pauses_or_breaks_off_is_never_made_to_look_whole() {
    let harness = GatewayHarness::with(&[("upstream.shop.pause_timeout", "100ms")]).await;
    for (path, whole) in [("/pause", "0\r\n\r\n"), ("/half", "half")] {
        let mut client = harness.client().await;
        client.send(format!("GET {path} HTTP/1.1\r\nhost: shop\r\n\r\n")).await;
        client.rest_of_head().await;
        let rest = client.rest().await;
        assert!(path == "/half" || !rest.ends_with(whole), "{path}: {rest:?}");
    }
    let harness = GatewayHarness::with(&[("upstream.shop.exchange_timeout", "100ms")]).await;
    let mut client = harness.client().await;
    client.send("GET /pause HTTP/1.1\r\nhost: shop\r\n\r\n").await;
    client.rest_of_head().await;
    assert_eq!(client.rest().await, "5\r\nfirst\r\n");
    until(async || harness.shop.open() == 0).await;
}

#[tokio::test]
async fn what_is_no_answer_is_502() {
    let harness = GatewayHarness::with(&[]).await;
    let mut client = harness.client().await;
    for path in ["/drop", "/garbage", "/upgrade", "/both", "/both-reversed", "/coded"] {
        assert_eq!(client.get(path).await.problem(), (502, "upstream-broken".into()), "{path}");
        assert_eq!(client.get("/echo/own").await.body, "/echo/own", "after {path}");
    }
}

#[tokio::test]
async fn a_request_that_the_shop_may_have_carried_out_is_never_sent_again() {
    let harness = GatewayHarness::with(&[]).await;
    let mut client = harness.client().await;
    for method in ["POST", "GET", "PUT"] {
        let before = harness.shop.count("/drop");
        // A connection that was used before is where a retry would be tempting.
        client.get("/").await;
        client.send(format!("{method} /drop HTTP/1.1\r\nhost: shop\r\ncontent-length: 2\r\n\r\nhi")).await;
        assert_eq!(client.response().await.status, 502);
        assert_eq!(harness.shop.count("/drop"), before + 1, "{method}");
    }
}

#[tokio::test]
async fn a_connection_that_the_shop_has_closed_fails_no_request() {
    let harness = GatewayHarness::with(&[]).await;
    let mut client = harness.client().await;
    for n in 1..=50 {
        assert_eq!(client.get("/bye").await.body, "bye");
        client.send("POST /bye HTTP/1.1\r\nhost: shop\r\ncontent-length: 2\r\n\r\nhi").await;
        let answer = client.response().await;
        // It closed just while the request was under way: told, not done twice.
        assert!(matches!(answer.status, 200 | 502), "{answer:?}");
        assert!(harness.shop.count("/bye") <= 2 * n);
    }
    assert!(harness.shop.count("/bye") >= 90, "{}", harness.shop.count("/bye"));
}

#[tokio::test]
async fn connections_to_a_shop_are_limited_however_many_requests_come() {
    let harness = GatewayHarness::with(&[("upstream.shop.connections_max", "3")]).await;
    let mut held = Vec::new();
    for n in 1..=3 {
        let mut client = harness.client().await;
        client.send("GET /gate HTTP/1.1\r\nhost: shop\r\n\r\n").await;
        until(async || harness.shop.count("/gate") == n).await;
        held.push(client);
    }
    assert_eq!(harness.client().await.get("/").await.problem(), (503, "upstream-full".into()));
    harness.shop.let_through(3);
    for client in &mut held {
        assert_eq!(client.response().await.status, 200);
    }
    // A crowd later there still were never more than three at once.
    let asking = (0..200).map(|_| async {
        let status = harness.client().await.get("/").await.status;
        assert!(harness.shop.open() <= 3);
        status
    });
    let answers = futures_util::future::join_all(asking).await;
    assert!(answers.iter().all(|status| matches!(status, 200 | 503)), "{answers:?}");
    assert!(answers.contains(&200));
    until(async || harness.client().await.get("/").await.status == 200).await;
}
