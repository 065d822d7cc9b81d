//! The head of the queue and admission.

use queue::QueueState;

use crate::harness::{FENCE, QueueHarness, arming, contact, event, key, number, restored};

pub(crate) async fn the_head_is_in_order_and_reading_removes_nothing(harness: &mut QueueHarness) {
    harness.fill(6).await;
    harness.cancel(2).await;
    assert_eq!(harness.head(0).await, (vec![], 0));
    assert_eq!(harness.head(2).await, (vec![1, 3], 3));
    assert_eq!(harness.head(2).await, (vec![1, 3], 3));
    assert_eq!(harness.head(9).await, (vec![1, 3, 4, 5, 6], 6));
    harness.admitted(3, &[1, 3]).await;
    assert_eq!(harness.head(9).await, (vec![4, 5, 6], 6));
    let first = harness.queue().head(&event(), 1).await.unwrap().waiting.remove(0);
    assert_eq!((first.app_key, first.contact), (key(4), contact(4)));
}

pub(crate) async fn the_head_examines_one_block_at_most(harness: &mut QueueHarness) {
    harness.fill(1).await;
    harness.queue().arm(&event(), FENCE, arming(2, 5_000)).await.unwrap();
    harness.project(|p| p.number_limit = 6_000).await;
    harness.apply(2).await.unwrap();
    assert_eq!(harness.head(2).await, (vec![1], 4_096));
    harness.admitted(4_096, &[1]).await;
    assert_eq!(harness.head(2).await, (vec![5_001], 5_001));
}

pub(crate) async fn a_repeated_admission_changes_nothing(harness: &mut QueueHarness) {
    harness.fill(4).await;
    harness.cancel(2).await;
    for _ in 0..2 {
        harness.admitted(3, &[1, 2, 3, 77]).await;
        let entries = harness.queue().entries(&event(), 0, 9).await.unwrap();
        let states: Vec<_> = entries.iter().map(|e| e.state).collect();
        assert_eq!(
            states,
            [QueueState::Admitted, QueueState::Withdrawn, QueueState::Admitted, QueueState::Waiting]
        );
        assert_eq!(harness.snapshot().await.admitted_through, 3);
    }
    harness.admitted(1, &[]).await;
    assert_eq!(harness.snapshot().await.admitted_through, 3, "admitted_through never falls");
    harness.admitted(99, &[]).await;
    assert_eq!(
        harness.snapshot().await.admitted_through,
        4,
        "admitted_through never rises above the last number"
    );
    assert_eq!(
        harness.head(9).await,
        (vec![4], 4),
        "an application that was not among the keys is found again"
    );
}

/// Numbers without an application are passed over in one read, however many there are, and every waiting application is counted.
pub(crate) async fn blocks_without_a_waiting_application_are_passed_over(harness: &mut QueueHarness) {
    harness.fill(3).await;
    harness.queue().arm(&event(), FENCE, arming(2, 50_000_000)).await.unwrap();
    harness.project(|projection| projection.number_limit = 50_001_000).await;
    assert_eq!(harness.apply(4).await.unwrap().number, number(50_000_001));
    // A receipt restores an application in the middle of the gap.
    let rows = [restored(20_000_000, 9, QueueState::Waiting)];
    harness.queue().restore(&event(), FENCE, &rows).await.unwrap();
    assert_eq!(harness.snapshot().await.waiting, 5);
    assert_eq!(harness.head(3).await, (vec![1, 2, 3], 3));
    harness.admitted(3, &[1, 2, 3]).await;
    assert_eq!(harness.snapshot().await.waiting, 2);
    let head = harness.queue().head(&event(), 1).await.unwrap();
    assert_eq!((head.waiting[0].number, head.through), (number(20_000_000), 20_000_000));
    harness.queue().admitted(&event(), FENCE, head.through, &[key(9)], 0).await.unwrap();
    let head = harness.queue().head(&event(), 9).await.unwrap();
    assert_eq!((head.waiting[0].number, head.through), (number(50_000_001), 50_000_001));
    harness.queue().cancel(&event(), key(4), number(50_000_001)).await.unwrap();
    assert_eq!(harness.snapshot().await.waiting, 0);
    assert_eq!(harness.head(9).await, (vec![], 50_000_001), "none waits: the read ends at the last number");
}

pub(crate) async fn the_highest_count_of_the_ledger_s_changes_is_kept(harness: &mut QueueHarness) {
    harness.fill(2).await;
    assert_eq!(harness.snapshot().await.ledger_changes, 0);
    harness.queue().admitted(&event(), FENCE, 1, &[key(1)], 7).await.unwrap();
    harness.queue().admitted(&event(), FENCE, 1, &[key(1)], 5).await.unwrap();
    assert_eq!(harness.snapshot().await.ledger_changes, 7);
    harness.queue().acknowledge(&event(), FENCE, 0, 9).await.unwrap();
    harness.restart().await;
    assert_eq!(harness.snapshot().await.ledger_changes, 9);
    harness.queue().arm(&event(), FENCE + 1, arming(2, 0)).await.unwrap();
    let fenced = harness.queue().acknowledge(&event(), FENCE, 0, 11).await;
    assert!(fenced.is_err());
    assert_eq!(harness.snapshot().await.ledger_changes, 9, "a former leader changes nothing");
}
