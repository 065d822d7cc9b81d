//! The status of the queue that the leader writes.

use domain::{Epoch, EventState, Fence};
use ledger::{Error, QueueStatus};

use crate::harness::{LedgerHarness, NOON, Store};

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
