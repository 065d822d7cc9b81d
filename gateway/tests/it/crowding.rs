//! Thousands of connections that say nothing: they are bounded, they end, and other clients are not affected.

use std::net::IpAddr;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

use crate::client::Client;
use crate::harness::GatewayHarness;

const IDLE: usize = 5000;

/// Both ends of every connection are this process' files.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    assert!(
        files > 2 * IDLE as u64 + 500,
        "this test needs more open files than {files}: raise the hard limit"
    );
}

async fn idle(source: IpAddr, harness: &GatewayHarness) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((source, 0).into()).unwrap();
    socket.connect(harness.address).await.unwrap()
}

async fn is_closed(stream: &mut TcpStream, within: Duration) -> bool {
    let mut byte = [0; 1];
    matches!(tokio::time::timeout(within, stream.read(&mut byte)).await, Ok(Ok(0) | Err(_)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_idle_connections_block_no_client_and_end() {
    raise_file_limit();
    let harness =
        GatewayHarness::with(&[("idle_timeout", "8s"), ("connections_per_client_max", "1000")]).await;
    let begun = Instant::now();
    let mut held = Vec::new();
    for n in 0..IDLE {
        let source = [127, 0, 1, u8::try_from(n / 1000).unwrap()];
        held.push(idle(source.into(), &harness).await);
    }
    // A client that has as many as it may gets no more; the others are untouched by it.
    let mut over = idle([127, 0, 1, 0].into(), &harness).await;
    assert!(is_closed(&mut over, Duration::from_secs(5)).await);
    let mut honest = Client::from([127, 0, 2, 1].into(), harness.address).await;
    let started = Instant::now();
    for _ in 0..20 {
        assert_eq!(honest.get("/").await.status, 200);
    }
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "too slow a machine to say anything: {:?}",
        begun.elapsed()
    );
    for mut stream in held {
        assert!(is_closed(&mut stream, Duration::from_secs(15)).await, "an idle connection was never closed");
    }
    assert_eq!(Client::from([127, 0, 1, 0].into(), harness.address).await.get("/").await.status, 200);
}
