//! A shop of two processes, of which one is sick: the other one goes on serving.

use std::time::Duration;

use tokio::time::Instant;

use crate::harness::{GatewayHarness, until};
use crate::stub::Stub;

/// Clients that send one request after the other.
const CLIENTS: usize = 10;

/// A gateway before two processes; the second one is returned.
async fn two_processes(flags: &[(&str, &str)]) -> (GatewayHarness, Stub) {
    let second = Stub::start().await;
    let urls = format!("{{shop}}, http://{}", second.address);
    let flags = [&[("upstream.shop.url", urls.as_str())], flags].concat();
    (GatewayHarness::with(&flags).await, second)
}

/// What some clients got.
#[derive(Debug, Default)]
struct Tally {
    served: usize,
    lost: usize,
}

/// Clients that request this path, one request after the other, for this time.
async fn load(harness: &GatewayHarness, path: &str, time: Duration) -> Tally {
    let end = Instant::now() + time;
    let client = async || {
        let (mut client, mut tally) = (harness.client().await, Tally::default());
        while Instant::now() < end {
            let is_served = client.get(path).await.status == 200;
            tally.served += usize::from(is_served);
            tally.lost += usize::from(!is_served);
        }
        tally
    };
    let tallies = futures_util::future::join_all((0..CLIENTS).map(|_| client())).await;
    let sum = |count: fn(&Tally) -> usize| tallies.iter().map(count).sum();
    Tally { served: sum(|tally| tally.served), lost: sum(|tally| tally.lost) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_hangs_costs_a_few_requests_and_no_more() {
    let (harness, hung) = two_processes(&[("upstream.shop.answer_timeout", "300ms")]).await;
    // `/last` closes its connection, so that each request needs a new one.
    load(&harness, "/last", Duration::from_millis(300)).await;
    assert!(hung.count("/last") > CLIENTS, "both processes serve");
    hung.hang(true);
    let tally = load(&harness, "/last", Duration::from_secs(4)).await;
    // Those at it when it began to hang, and two probes.
    assert!(tally.lost <= CLIENTS + 2, "{tally:?}");
    assert!(tally.served > 500, "{tally:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_resets_connections_costs_a_few_requests_and_returns_when_it_is_well() {
    let (harness, sick) = two_processes(&[]).await;
    sick.reset(true);
    let tally = load(&harness, "/slow", Duration::from_secs(2)).await;
    // Three in a row and those under way with them, and one probe.
    assert!(tally.lost <= CLIENTS + 2, "{tally:?}");
    sick.reset(false);
    let before = sick.count("/slow");
    let tally = load(&harness, "/slow", Duration::from_secs(4)).await;
    assert_eq!(tally.lost, 0, "{tally:?}");
    let since = sick.count("/slow") - before;
    assert!(since > 10, "{since} of {} went to the process that is well again", tally.served);
    assert!(since * 2 < tally.served, "it has less than its share at first: {since} of {}", tally.served);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_that_is_left_gets_no_more_than_its_share() {
    let flags = [("upstream.shop.connections_max", "4"), ("upstream.shop.answer_timeout", "200ms")];
    let (harness, hung) = two_processes(&flags).await;
    hung.hang(true);
    // Until the process is away.
    load(&harness, "/slow", Duration::from_millis(700)).await;
    let tally = load(&harness, "/slow", Duration::from_secs(1)).await;
    assert!(tally.served > 40 && tally.lost > 0, "{tally:?}");
    assert!(harness.shop.in_progress_max() <= 2, "{}", harness.shop.in_progress_max());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_hangs_is_noticed_although_its_clients_leave_before_the_timeout() {
    let (harness, hung) = two_processes(&[]).await;
    hung.hang(true);
    let get = async || {
        let mut client = harness.client().await;
        tokio::time::timeout(Duration::from_millis(1200), client.get("/last")).await.is_ok()
    };
    let mut left = 0;
    for _ in 0..12 {
        left += usize::from(!get().await);
    }
    assert!(left <= 4, "{left} clients left");
}

#[tokio::test]
async fn requests_go_to_the_process_that_has_fewer() {
    let (harness, second) = two_processes(&[]).await;
    let mut held = Vec::new();
    for n in 1..=20 {
        let mut client = harness.client().await;
        client.send("GET /gate HTTP/1.1\r\nhost: shop\r\n\r\n").await;
        until(async || harness.shop.count("/gate") + second.count("/gate") == n).await;
        held.push(client);
    }
    assert_eq!((harness.shop.count("/gate"), second.count("/gate")), (10, 10));
    // One of them becomes free, and the other one has a connection that became idle later.
    second.let_through(10);
    tokio::time::sleep(Duration::from_millis(50)).await;
    harness.shop.let_through(1);
    tokio::time::sleep(Duration::from_millis(50)).await;
    for _ in 0..10 {
        assert_eq!(harness.client().await.get("/echo/x").await.status, 200);
    }
    assert_eq!(second.count("/echo/x"), 10);
    harness.shop.let_through(9);
}
