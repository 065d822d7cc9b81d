//! The pace, which all dispatchers share.

use std::collections::BTreeSet;

use domain::{EventSettings, Fence, Release};
use ledger::{CALL_LEASE_MS, CallKind, Change};

use crate::harness::{LedgerHarness, Store, settings};

pub(crate) async fn calls_are_leased_at_the_pace_lowest_number_first(store: Store) {
    let mut limited = settings(50);
    limited.pace = "10".parse().unwrap();
    let harness = LedgerHarness::open_with(store, limited).await;
    harness.admit(1..=50).await;
    let mut leased = Vec::new();
    for _ in 0..30 {
        harness.clock.advance(100);
        leased.extend(harness.ledger.lease_calls(&harness.event, 64).await.unwrap().calls);
    }
    let numbers: Vec<_> = leased.iter().map(|call| call.number.get()).collect();
    assert_eq!(numbers, (1..=30).collect::<Vec<_>>());
    assert!(leased.iter().all(|call| call.kind == CallKind::Put && call.attempts == 1));
}

pub(crate) async fn concurrent_dispatchers_lease_each_call_once_within_the_pace(store: Store) {
    let mut limited = settings(200);
    limited.pace = "20".parse().unwrap();
    limited.in_flight_max = 200;
    let harness = LedgerHarness::open_with(store, limited).await;
    harness.admit(1..=200).await;
    let mut seen = BTreeSet::new();
    for _ in 0..40 {
        harness.clock.advance(50);
        let mut dispatchers = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (ledger, event) = (harness.ledger.clone(), harness.event.clone());
            dispatchers.spawn(async move { ledger.lease_calls(&event, 64).await.unwrap().calls });
        }
        for call in dispatchers.join_all().await.into_iter().flatten() {
            assert!(seen.insert(call.number), "{} was leased twice", call.number);
        }
    }
    assert_eq!(seen.len(), 40, "2 s at 20/s");
}

pub(crate) async fn the_pace_stays_exact_when_it_is_changed(store: Store) {
    let mut limited = settings(800);
    limited.pace = "20".parse().unwrap();
    limited.in_flight_max = 800;
    let harness = LedgerHarness::open_with(store, limited).await;
    for first in (1..=800).step_by(200) {
        harness.admit(first..first + 200).await;
    }
    for (pace, expected) in [("20", 200), ("50", 500), ("7", 70)] {
        harness.change(Change::Pace(pace.parse().unwrap())).await.unwrap();
        let mut leased = 0;
        for _ in 0..200 {
            harness.clock.advance(50);
            let dispatchers = [(); 2].map(|()| harness.ledger.lease_calls(&harness.event, 64));
            let [first, second] = dispatchers;
            let (first, second) = tokio::join!(first, second);
            leased += first.unwrap().calls.len() + second.unwrap().calls.len();
        }
        assert!(leased.abs_diff(expected) <= 1, "{leased} instead of {expected} in ten seconds at {pace}/s");
    }
}

pub(crate) async fn a_paused_event_leases_nothing_and_resumes_without_a_burst(store: Store) {
    let mut paused = settings(10);
    paused.release = Release::Paused;
    let harness = LedgerHarness::open_with(store, paused).await;
    harness.admit(1..=10).await;
    harness.clock.advance(60_000);
    let leased = harness.ledger.lease_calls(&harness.event, 64).await.unwrap();
    assert_eq!((leased.calls.len(), leased.next_token_in_ms), (0, None));
    harness.change(Change::Resume).await.unwrap();
    assert!(harness.ledger.lease_calls(&harness.event, 64).await.unwrap().calls.is_empty());
    harness.clock.advance(4);
    assert_eq!(harness.ledger.lease_calls(&harness.event, 64).await.unwrap().calls.len(), 4);
}

pub(crate) async fn a_call_with_an_expired_lease_is_leased_again_and_the_first_is_stale(store: Store) {
    let harness = LedgerHarness::open(store, 10).await;
    harness.admit([1]).await;
    let first = harness.lease_one().await;
    assert!(
        harness.ledger.lease_calls(&harness.event, 64).await.unwrap().calls.is_empty(),
        "the call is leased already"
    );
    harness.clock.advance(CALL_LEASE_MS + 1);
    let second = harness.lease_one().await;
    assert_eq!((second.attempts, second.number), (2, first.number));
    assert!(second.fence > first.fence);
    let late_result = harness.record(&first, ledger::OrderResponse::Created("O-1".into())).await;
    assert_eq!(late_result, ledger::CallResult::Stale);
    assert_eq!(harness.state_of(1).await, "ordering");
}

pub(crate) async fn calls_are_leased_without_leadership(store: Store) {
    let harness = LedgerHarness::open(store, 10).await;
    harness.admit([1]).await;
    harness.clock.advance(3001);
    assert_ne!(harness.ledger.acquire_leadership(&harness.event).await.unwrap().unwrap().fence, Fence(0));
    harness.lease_one().await;
}

pub(crate) async fn an_event_resumes_without_a_burst_after_a_pause_of_any_length(store: Store) {
    let harness =
        LedgerHarness::open_with(store, EventSettings { pace: "100".parse().unwrap(), ..settings(50) }).await;
    harness.admit(1..=50).await;
    harness.clock.advance(250);
    harness.changed(Change::Pause).await;
    assert!(harness.ledger.lease_calls(&harness.event, 50).await.unwrap().calls.is_empty());
    harness.clock.advance(400);
    harness.changed(Change::Resume).await;
    assert!(
        harness.ledger.lease_calls(&harness.event, 50).await.unwrap().calls.is_empty(),
        "the pause accumulates no tokens"
    );
    harness.clock.advance(100);
    assert_eq!(harness.ledger.lease_calls(&harness.event, 50).await.unwrap().calls.len(), 10);
    // The event is paused and resumed between two leases.
    harness.clock.advance(250);
    harness.changed(Change::Pause).await;
    harness.changed(Change::Resume).await;
    assert!(harness.ledger.lease_calls(&harness.event, 50).await.unwrap().calls.is_empty());
    harness.changed(Change::Drain).await;
    harness.clock.advance(100);
    assert_eq!(
        harness.ledger.lease_calls(&harness.event, 50).await.unwrap().calls.len(),
        10,
        "draining continues order calls"
    );
    let event = harness.now().await;
    assert_eq!(
        (event.settings.release, harness.ledger.admissible(&event).await.unwrap()),
        (Release::Draining, 0)
    );
}

pub(crate) async fn a_new_pace_applies_from_the_moment_of_the_change(store: Store) {
    let harness =
        LedgerHarness::open_with(store, EventSettings { pace: "10".parse().unwrap(), ..settings(200) }).await;
    harness.admit(1..=200).await;
    let leased = async |after| {
        harness.clock.advance(after);
        harness.ledger.lease_calls(&harness.event, 200).await.unwrap().calls.len()
    };
    assert_eq!(leased(200).await, 2);
    // 100 ms at 10/s and 100 ms at 1000/s: the time before the change does not count at the new pace.
    harness.clock.advance(100);
    harness.changed(Change::Pace("1000".parse().unwrap())).await;
    assert_eq!((leased(0).await, leased(100).await), (1, 100));
    harness.clock.advance(20);
    harness.changed(Change::Pace("1".parse().unwrap())).await;
    // The slow pace keeps at most 1.25 of the 20 tokens.
    assert_eq!((leased(0).await, leased(700).await, leased(100).await), (1, 0, 1));
}
