//! Connections to the shop: used again when nothing is left on them, and never otherwise.

use std::time::Duration;

use crate::harness::{GatewayHarness, until};
use crate::stub::Stub;

#[tokio::test]
async fn a_connection_is_used_again_once_its_answer_is_through() {
    let harness = GatewayHarness::with(&[]).await;
    let mut client = harness.client().await;
    harness.shop.let_through(1);
    for (path, rest) in [("/echo/1", 0), ("/pieces", 10 + 14), ("/own", 0)] {
        client.send(format!("GET {path} HTTP/1.1\r\nhost: shop\r\n\r\n")).await;
        client.response().await;
        client.bytes(rest).await;
    }
    client.send("HEAD / HTTP/1.1\r\nhost: shop\r\n\r\n").await;
    client.rest_of_head().await;
    // The stub responds with a body nevertheless; the bytes after it belong to no request.
    assert_eq!(client.get("/echo/2").await.body, "/echo/2");
    assert!(harness.shop.connections() <= 2, "{}", harness.shop.connections());
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_costs_one_more_and_no_request() {
    let harness = GatewayHarness::with(&[]).await;
    let mut client = harness.client().await;
    for n in 1..=20 {
        assert_eq!(client.get("/bye").await.body, "bye");
        until(async || harness.shop.open() == 0).await;
        client.send("POST /bye HTTP/1.1\r\nhost: shop\r\ncontent-length: 2\r\n\r\nhi").await;
        assert_eq!(client.response().await.body, "bye");
        until(async || harness.shop.open() == 0).await;
        assert_eq!((harness.shop.count("/bye"), harness.shop.connections()), (2 * n, 2 * n));
    }
}

#[tokio::test]
async fn a_connection_whose_answer_is_said_to_be_the_last_is_closed() {
    let harness = GatewayHarness::with(&[]).await;
    let mut client = harness.client().await;
    for path in ["/last", "/older"] {
        assert_eq!(client.get(path).await.body, path[1..]);
        // The shop waits for us to close it.
        until(async || harness.shop.open() == 0).await;
    }
}

#[tokio::test]
async fn a_response_without_a_request_is_discarded() {
    let harness = GatewayHarness::with(&[]).await;
    let mut client = harness.client().await;
    for n in 0..20 {
        assert_eq!(client.get("/twice").await.body, "twice");
        let path = format!("/echo/{n}");
        assert_eq!(client.get(&path).await.body, path);
    }
}

#[tokio::test]
async fn a_connection_whose_answer_was_not_read_to_its_end_is_closed() {
    let harness = GatewayHarness::with(&[]).await;
    let mut client = harness.client().await;
    client.send("GET /pieces HTTP/1.1\r\nhost: shop\r\n\r\n").await;
    client.response().await;
    assert_eq!(client.bytes(10).await, b"5\r\nfirst\r\n");
    drop(client);
    harness.shop.let_through(1);
    until(async || harness.shop.open() == 0).await;
    assert_eq!(harness.client().await.get("/echo/1").await.body, "/echo/1");
    assert_eq!(harness.shop.connections(), 2);
}

#[tokio::test]
async fn a_connection_that_is_idle_for_too_long_is_closed() {
    let harness = GatewayHarness::with(&[("upstream.shop.idle_timeout", "50ms")]).await;
    let mut client = harness.client().await;
    assert_eq!(client.get("/echo/1").await.status, 200);
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(client.get("/echo/2").await.status, 200);
    assert_eq!(harness.shop.connections(), 2);
    until(async || harness.shop.open() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_client_gets_its_own_response_while_others_disconnect() {
    let harness =
        GatewayHarness::with(&[("upstream.shop.connections_max", "8"), ("client_in_flight_max", "100")])
            .await;
    let ask = async |who: usize| {
        let (mut client, mut answered) = (harness.client().await, 0);
        for n in 0..100 {
            let path = format!("/echo/{who}-{n}");
            if (who + n).is_multiple_of(7) {
                client.send(format!("GET {path} HTTP/1.1\r\nhost: shop\r\n\r\n")).await;
                client = harness.client().await;
                continue;
            }
            let answer = client.get(&path).await;
            assert!(answer.status == 503 || answer.body == path, "{path}: {answer:?}");
            answered += usize::from(answer.status == 200);
        }
        answered
    };
    let answered: usize = futures_util::future::join_all((0..32).map(ask)).await.into_iter().sum();
    assert!(answered > 500, "{answered}");
    until(async || harness.shop.open() <= 8).await;
    assert_eq!(harness.client().await.get("/echo/last").await.body, "/echo/last");
}

/// An address that drops packets: nothing accepts, and the backlog is full.
async fn black_hole() -> (tokio::net::TcpListener, Vec<tokio::net::TcpStream>) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut filling = Vec::new();
    let connect = async || {
        tokio::time::timeout(Duration::from_millis(300), tokio::net::TcpStream::connect(address)).await
    };
    while let Ok(connected) = connect().await {
        filling.push(connected.unwrap());
        assert!(filling.len() < 16, "the backlog is never full");
    }
    (listener, filling)
}

#[tokio::test]
async fn an_address_that_swallows_packets_is_passed_over_and_probed_by_one_request_at_a_time() {
    const TIMEOUT: Duration = Duration::from_secs(2);
    let (silent, _filling) = black_hole().await;
    let good = Stub::start().await;
    let urls = format!("http://{}, http://{}", silent.local_addr().unwrap(), good.address);
    let flags = [("upstream.shop.url", urls.as_str()), ("upstream.shop.connect_timeout", "2s")];
    let harness = GatewayHarness::with(&flags).await;
    // `/bye` closes its connection, so that each request needs a new one.
    let get = async || {
        let begun = tokio::time::Instant::now();
        assert_eq!(harness.client().await.get("/bye").await.status, 200);
        begun.elapsed() >= TIMEOUT
    };
    let mut waited = 0;
    for _ in 0..10 {
        waited += usize::from(get().await);
    }
    assert_eq!(waited, 1, "requests that waited for the silent address");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let at_once = futures_util::future::join_all((0..10).map(|_| get())).await;
    assert!(at_once.iter().filter(|waited| **waited).count() <= 1, "{at_once:?}");
}

#[tokio::test]
async fn a_connection_attempt_ends_with_its_request() {
    let (silent, _filling) = black_hole().await;
    let url = format!("http://{}", silent.local_addr().unwrap());
    let flags = [
        ("upstream.shop.url", url.as_str()),
        ("upstream.shop.connect_timeout", "10s"),
        ("upstream.shop.exchange_timeout", "500ms"),
    ];
    let harness = GatewayHarness::with(&flags).await;
    let begun = tokio::time::Instant::now();
    assert_eq!(harness.client().await.get("/").await.problem(), (503, "upstream-down".into()));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn connections_go_round_among_the_processes_of_a_service_and_past_one_that_is_away() {
    let (one, other) = (Stub::start().await, Stub::start().await);
    let urls = format!("http://127.0.0.1:1, http://{}, http://{}", one.address, other.address);
    let harness = GatewayHarness::with(&[("upstream.shop.url", &urls)]).await;
    // Each holds its connection, so that the next one needs another.
    let mut waiting = Vec::new();
    for _ in 0..6 {
        let mut client = harness.client().await;
        client.send("GET /gate HTTP/1.1\r\nhost: shop\r\n\r\n").await;
        waiting.push(client);
    }
    until(async || one.count("/gate") + other.count("/gate") == 6).await;
    // The first requests arrive at once, before any address is known to be unreachable.
    assert!(one.count("/gate") >= 2 && other.count("/gate") >= 2, "{}", one.count("/gate"));
    one.let_through(6);
    other.let_through(6);
    for mut client in waiting {
        assert_eq!(client.response().await.status, 200);
    }
}
