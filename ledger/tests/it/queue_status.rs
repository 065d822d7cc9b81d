//! The status of the queue that the leader writes, and what happened in each second.

use domain::{Epoch, EventState, Fence};
use ledger::{ACTIVITY_SECONDS, ActivityRow, ApplicationName, CallActivity, Error, EventResult, QueueStatus};

use crate::harness::{LedgerHarness, NOON, Store, key};

pub(crate) fn status() -> QueueStatus {
    QueueStatus {
        at: 0,
        epoch: Epoch(2),
        state: EventState::Open,
        seq: 1200,
        highest_seq: 1200,
        admitted_through: 40,
        waiting: 160,
        closed_seq: None,
        skipped_numbers: 1000,
        armed: true,
        sold_milli_per_s: 2500,
        oldest_wait_ms: None,
    }
}

pub(crate) async fn writing_the_queue_status_extends_the_lease(store: Store) {
    let harness = LedgerHarness::open(store, 1).await;
    let (ledger, event, fence) = (&harness.ledger, &harness.event, harness.fence);
    assert_eq!(ledger.queue_status(event).await.unwrap(), None);
    ledger.write_queue_status(event, fence, &status()).await.unwrap();
    assert_eq!(ledger.queue_status(event).await.unwrap(), Some(QueueStatus { at: NOON, ..status() }));
    harness.clock.advance(2900);
    let later = QueueStatus {
        state: EventState::Closed,
        closed_seq: Some(1200),
        armed: false,
        oldest_wait_ms: Some(90_000),
        ..status()
    };
    ledger.write_queue_status(event, fence, &later).await.unwrap();
    assert_eq!(ledger.queue_status(event).await.unwrap(), Some(QueueStatus { at: NOON + 2900, ..later }));
    let put_back = QueueStatus { seq: 700, highest_seq: 700, ..status() };
    ledger.write_queue_status(event, fence, &put_back).await.unwrap();
    let highest = ledger.queue_status(event).await.unwrap().unwrap().highest_seq;
    assert_eq!(highest, 1200, "a queue that was put back to an older state does not hide what it had");
    harness.clock.advance(2900);
    assert_eq!(ledger.acquire_leadership(event).await.unwrap(), None, "the lease was extended");
    let lost = ledger.write_queue_status(event, Fence(fence.0 - 1), &status()).await;
    assert!(matches!(lost, Err(Error::Lost)), "{lost:?}");
}

pub(crate) async fn the_seconds_of_an_event_are_kept_in_a_ring(store: Store) {
    let harness = LedgerHarness::open(store, 1).await;
    let (ledger, event) = (&harness.ledger, &harness.event);
    let mut calls = CallActivity { ordered: 2, unclear: 1, ..CallActivity::default() };
    calls.count_call(30);
    // Two dispatchers and the leader write into one second, in any order.
    ledger.record_calls(event, &calls).await.unwrap();
    ledger.write_queue_status(event, harness.fence, &status()).await.unwrap();
    ledger.record_calls(event, &calls).await.unwrap();
    harness.clock.advance(1000);
    ledger.record_calls(event, &calls).await.unwrap();
    let mut both = calls.clone();
    both.add(&calls);
    let first = ActivityRow { at: NOON, applied: Some(200), waiting: Some(160), calls: both };
    let second = ActivityRow { at: NOON + 1000, applied: None, waiting: None, calls: calls.clone() };
    assert_eq!(ledger.activity(event, NOON).await.unwrap(), [first, second.clone()]);
    assert_eq!(ledger.activity(event, NOON + 1).await.unwrap(), std::slice::from_ref(&second));
    // The second that takes the row of the first one keeps nothing of it.
    harness.clock.advance((i64::from(ACTIVITY_SECONDS) - 1) * 1000);
    ledger.record_calls(event, &calls).await.unwrap();
    let last = ActivityRow { at: NOON + i64::from(ACTIVITY_SECONDS) * 1000, ..second.clone() };
    assert_eq!(ledger.activity(event, NOON).await.unwrap(), [second, last]);
}

pub(crate) async fn a_result_compares_the_queues_numbers_with_the_applications(store: Store) {
    let harness = LedgerHarness::open(store, 9).await;
    let (ledger, event) = (&harness.ledger, &harness.event);
    assert_eq!(ledger.result(event).await.unwrap(), EventResult::default());
    harness.admit([1, 2, 3, 41]).await;
    ledger.write_queue_status(event, harness.fence, &status()).await.unwrap();
    let result = ledger.result(event).await.unwrap();
    let expected = EventResult { accepted: 200, under_way: 4, waiting: 159, ..EventResult::default() };
    assert_eq!((&result, result.unaccounted()), (&expected, 37), "4 to 40 are missing");
    let named = async |name| ledger.find_application(event, &name).await.unwrap().map(|row| row.number.get());
    assert_eq!(named(ApplicationName::Number(41)).await, Some(41));
    assert_eq!(named(ApplicationName::Number(40)).await, None);
    for hex in [key(2).to_string(), key(2).guid()] {
        assert_eq!(named(ApplicationName::Hex(hex)).await, Some(2));
    }
    assert_eq!(named(ApplicationName::Hex(key(4).guid())).await, None);
}
