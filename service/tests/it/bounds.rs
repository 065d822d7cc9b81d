//! The limits of the server against slow, large, ambiguous and many requests.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use service::http::Limits;
use testkit::{RawClient, RawResponse};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::harness::{context, limits, router, start};

/// The response of a server with short timeouts to these bytes.
async fn response_to(bytes: impl AsRef<[u8]>) -> RawResponse {
    let mut client = RawClient::connect(start(router(), limits(), &context())).await;
    client.send(bytes).await;
    client.response().await
}

#[tokio::test]
async fn incomplete_headers_time_out() {
    let mut client = RawClient::connect(start(router(), limits(), &context())).await;
    client.send("GET / HTTP/1.1\r\nhost:").await;
    let begun = Instant::now();
    assert_eq!(client.read_to_end().await, "");
    assert!(begun.elapsed() < Duration::from_millis(390), "closed as idle, not for slow headers");
}

#[tokio::test]
async fn headers_sent_byte_by_byte_time_out_too() {
    let mut client = RawClient::connect(start(router(), limits(), &context())).await;
    let begun = Instant::now();
    client.send("GET / HTTP/1.1\r\n").await;
    // Each byte arrives in time; only all of them together do not.
    while client.is_silent().await {
        assert!(begun.elapsed() < Duration::from_secs(10), "the headers never timed out");
        client.send("x").await;
    }
    assert!(begun.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed() {
    let mut client = RawClient::connect(start(router(), limits(), &context())).await;
    let begun = Instant::now();
    assert_eq!(client.read_to_end().await, "");
    assert!(
        begun.elapsed() >= Duration::from_millis(390),
        "an idle connection has more time than slow headers"
    );
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_a_request() {
    let mut client = RawClient::connect(start(router(), limits(), &context())).await;
    assert_eq!(client.get("/").await.body, "hello");
    let begun = Instant::now();
    assert_eq!(client.read_to_end().await, "");
    assert!(begun.elapsed() >= Duration::from_millis(390));
}

#[tokio::test]
async fn a_slow_handler_is_no_idle_connection() {
    let limits = limits();
    let slow = limits.idle_timeout * 2;
    let handler = get(move || async move {
        tokio::time::sleep(slow).await;
        "at last"
    });
    let mut client =
        RawClient::connect(start(Router::new().route("/slow", handler), limits, &context())).await;
    assert_eq!(client.get("/slow").await.body, "at last");
}

#[tokio::test]
async fn a_client_that_does_not_read_its_response_is_disconnected() {
    let limits = Limits { write_stall_timeout: Duration::from_millis(200), ..limits() };
    let ctx = context();
    let large = get(|| async { vec![b'x'; 64 << 20] });
    let mut client = RawClient::connect(start(Router::new().route("/large", large), limits, &ctx)).await;
    client.send("GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
    // After this byte the rest fills the buffers of the socket and stalls.
    assert!(!client.is_silent().await);
    // The accept loop ends at the stop. A connection that still writes would be counted as unfinished.
    tokio::time::timeout(Duration::from_secs(10), async {
        assert_eq!(ctx.tasks.shut_down(Duration::from_secs(8)).await, service::tasks::Shutdown::Clean);
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn too_large_or_too_many_headers_get_431() {
    let large = format!("GET / HTTP/1.1\r\nhost: x\r\nx-pad: {}\r\n\r\n", "a".repeat(17 * 1024));
    assert_eq!(response_to(large).await.status, 431);
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(64));
    assert_eq!(response_to(many).await.problem()["code"], "too-many-headers");
}

#[tokio::test]
async fn a_long_address_gets_414() {
    let long = format!("GET /?{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(4 * 1024));
    let response = response_to(long).await;
    assert_eq!((response.status, &response.problem()["code"]), (414, &"uri-too-long".into()));
    let fits = format!("GET /?{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(4 * 1024 - 2));
    assert_eq!(response_to(fits).await.status, 200);
}

#[tokio::test]
async fn a_declared_or_chunked_body_over_the_limit_gets_413() {
    let size = 8 * 1024 + 1;
    let declared =
        format!("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: {size}\r\n\r\n{}", "a".repeat(size));
    let response = response_to(declared).await;
    assert_eq!((response.status, &response.problem()["code"]), (413, &"body-too-large".into()));
    let head = "POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunked = format!("{head}{size:x}\r\n{}\r\n0\r\n\r\n", "a".repeat(size));
    let response = response_to(chunked).await;
    assert_eq!((response.status, &response.problem()["code"]), (413, &"body-too-large".into()));
    let fits = format!("{head}{:x}\r\n{}\r\n0\r\n\r\n", size - 1, "a".repeat(size - 1));
    assert_eq!(response_to(fits).await.body.len(), size - 1);
}

#[tokio::test]
async fn a_refused_request_gets_no_100_continue() {
    let expects = "POST /echo HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 9999999\r\n\r\n";
    assert_eq!(response_to(expects).await.status, 413);
}

#[tokio::test]
async fn a_slow_body_gets_408_and_the_connection_is_closed() {
    let mut client = RawClient::connect(start(router(), limits(), &context())).await;
    client.send("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf").await;
    let response = client.response().await;
    assert_eq!((response.status, &response.problem()["code"]), (408, &"body-too-slow".into()));
    assert_eq!(response.header("connection"), Some("close"));
    assert_eq!(client.read_to_end().await, "");
}

#[tokio::test]
async fn a_body_below_its_rate_gets_408_long_before_the_deadline() {
    let limits = Limits { body_rate_min: 1000, body_read_timeout: Duration::from_mins(10), ..limits() };
    let mut client = RawClient::connect(start(router(), limits, &context())).await;
    client.send("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 4000\r\n\r\n").await;
    client.send("x".repeat(3000)).await;
    let response = client.response().await;
    assert_eq!((response.status, &response.problem()["code"]), (408, &"body-too-slow".into()));
}

#[tokio::test]
async fn a_compressed_body_gets_415_unless_allowed() {
    let packed = "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nhi";
    assert_eq!(response_to(packed).await.status, 415);
    let plain = "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-encoding: identity\r\ncontent-length: 2\r\n\r\nhi";
    assert_eq!(response_to(plain).await.body, "hi");
    let limits = Limits { encoded_bodies: true, ..limits() };
    let mut client = RawClient::connect(start(router(), limits, &context())).await;
    client.send(packed).await;
    assert_eq!(client.response().await.body, "hi");
}

#[tokio::test]
async fn a_malformed_or_ambiguous_request_gets_400() {
    let post = "POST /echo HTTP/1.1\r\nhost: x\r\n";
    let cases = [
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n".to_owned(),
        "\u{1}\u{2}\u{3}garbage\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nhost : x\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nhost: x\r\na: b\r\n folded\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nhost: x\r\na: b\0c\r\n\r\n".to_owned(),
        format!("{post}content-length: 2\r\ncontent-length: 3\r\n\r\nhi!"),
        format!("{post}content-length: +2\r\n\r\nhi"),
        format!("{post}transfer-encoding: gzip\r\n\r\n0\r\n\r\n"),
        "POST /echo HTTP/1.0\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
    ];
    for case in cases {
        assert_eq!(response_to(&case).await.status, 400, "{case:?}");
    }
}

#[tokio::test]
async fn an_http_1_0_request_needs_no_host() {
    assert_eq!(response_to("GET / HTTP/1.0\r\n\r\n").await.status, 200);
}

#[tokio::test]
async fn bytes_behind_a_request_with_two_lengths_are_not_a_request() {
    let orders = [
        "content-length: 4\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 4",
    ];
    for lengths in orders {
        let mut client = RawClient::connect(start(router(), limits(), &context())).await;
        let smuggled = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        client.send(format!("POST /echo HTTP/1.1\r\nhost: x\r\n{lengths}\r\n\r\n0\r\n\r\n{smuggled}")).await;
        assert_eq!(client.response().await.header("connection"), Some("close"));
        assert_eq!(client.read_to_end().await, "", "{lengths}");
    }
}

#[tokio::test]
async fn a_connection_over_the_limit_waits_until_another_closes() {
    let limits = Limits { connections_max: 1, idle_timeout: Duration::from_mins(1), ..limits() };
    let address = start(router(), limits, &context());
    let mut first = RawClient::connect(address).await;
    assert_eq!(first.get("/").await.status, 200);
    let mut second = RawClient::connect(address).await;
    second.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(second.is_silent().await);
    drop(first);
    assert_eq!(second.response().await.status, 200);
}

#[tokio::test]
async fn a_disconnected_client_frees_its_connection() {
    let reached = Arc::new(Notify::new());
    let notify = Arc::clone(&reached);
    let stuck = get(move || async move {
        notify.notify_one();
        std::future::pending::<&str>().await
    });
    let limits = Limits { connections_max: 1, ..limits() };
    let address = start(router().route("/stuck", stuck), limits, &context());
    let mut gone = RawClient::connect(address).await;
    gone.send("GET /stuck HTTP/1.1\r\nhost: x\r\n\r\n").await;
    reached.notified().await;
    drop(gone);
    assert_eq!(RawClient::connect(address).await.get("/").await.status, 200);
}

#[tokio::test]
async fn a_client_has_a_limit_of_connections() {
    let limits = Limits { connections_per_client_max: 2, ..limits() };
    let address = start(router(), limits, &context());
    let mut first = RawClient::connect(address).await;
    let mut second = RawClient::connect(address).await;
    assert_eq!((first.get("/").await.status, second.get("/").await.status), (200, 200));
    assert_eq!(RawClient::connect(address).await.read_to_end().await, "");
    drop(first);
    // The connection is free once the server has noticed the disconnect.
    let mut tries = 0;
    while RawClient::connect(address).await.last_get("/").await.is_empty() {
        tries += 1;
        assert!(tries < 1000, "the connection was never freed");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn http_2_is_available_only_where_enabled() {
    const PREFACE: &str = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let mut client = RawClient::connect(start(router(), limits(), &context())).await;
    client.send(PREFACE).await;
    assert_eq!(client.read_to_end().await, "");
    let address = start(router(), Limits { http2: true, ..limits() }, &context());
    let mut client = RawClient::connect(address).await;
    client.send(PREFACE).await;
    client.send([0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
    assert_eq!(client.read(4).await[3], 4, "the server's settings");
    // A method that starts like the preface is HTTP/1.1.
    let mut client = RawClient::connect(address).await;
    client.send("PROPFIND / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(client.response().await.status, 405);
    let mut silent = RawClient::connect(address).await;
    let begun = Instant::now();
    assert_eq!(silent.read_to_end().await, "");
    assert!(begun.elapsed() >= Duration::from_millis(390));
}

#[tokio::test]
async fn an_absolute_uri_and_the_host_header_must_agree() {
    assert_eq!(response_to("GET http://x/ HTTP/1.1\r\nhost: X\r\n\r\n").await.status, 200);
    assert_eq!(response_to("GET http://y/ HTTP/1.1\r\nhost: x\r\n\r\n").await.status, 400);
}
