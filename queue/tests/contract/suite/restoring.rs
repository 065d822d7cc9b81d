//! Restored applications.

use domain::{Gaps, ReqHash};
use queue::{LeaderError, QueueError, QueueState, RestoredApplication};

use crate::harness::{FENCE, QueueHarness, arming, contact, event, key, number, restored};

pub(crate) async fn restoring_adds_the_missing_applications(harness: &mut QueueHarness) {
    harness.fill(2).await;
    harness.admitted(2, &[1, 2]).await;
    harness.queue().arm(&event(), FENCE, arming(2, 10)).await.unwrap();
    harness.admitted(6, &[]).await;
    let rows = [
        restored(12, 12, QueueState::Waiting),
        restored(4, 4, QueueState::Waiting),
        restored(5, 5, QueueState::Admitted),
        restored(6, 6, QueueState::Withdrawn),
        restored(8, 8, QueueState::Waiting),
    ];
    for _ in 0..2 {
        harness.queue().restore(&event(), FENCE, &rows).await.unwrap();
        assert_eq!(harness.snapshot().await.seq, 1_000);
        assert_eq!(
            harness.head(1).await,
            (vec![4], 6),
            "a restored application at or below admitted_through comes first"
        );
        assert_eq!(harness.head(2).await, (vec![4, 8], 8));
        assert_eq!(harness.head(9).await, (vec![4, 8, 12], 1_000));
    }
    harness.admitted(6, &[4]).await;
    assert_eq!(harness.head(1).await, (vec![8], 8));
    let first = harness.queue().head(&event(), 1).await.unwrap().waiting.remove(0);
    assert_eq!(first.contact, contact(8));
    let above = [restored(2_000, 20, QueueState::Waiting)];
    harness.queue().restore(&event(), FENCE, &above).await.unwrap();
    assert_eq!(harness.snapshot().await.seq, 2_000);
    assert_eq!(
        harness.apply(8).await.unwrap(),
        queue::ApplyAck {
            number: number(8),
            epoch: domain::Epoch(2),
            state: QueueState::Waiting,
            already_applied: true,
            proven: true,
        }
    );
}

pub(crate) async fn restoring_never_changes_an_existing_application(harness: &mut QueueHarness) {
    harness.fill(3).await;
    harness.cancel(3).await;
    let rows: Vec<RestoredApplication> = vec![
        restored(1, 1, QueueState::Admitted),
        restored(2, 77, QueueState::Waiting),
        restored(9, 2, QueueState::Waiting),
        restored(3, 3, QueueState::Admitted),
        restored(4, 4, QueueState::Waiting),
    ];
    assert_eq!(harness.queue().restore(&event(), FENCE, &rows).await, Err(LeaderError::Conflicts(2)));
    let entries = harness.queue().entries(&event(), 0, 9).await.unwrap();
    let actual: Vec<_> = entries.iter().map(|e| (e.number.get(), e.app_key, e.state)).collect();
    let states = [QueueState::Admitted, QueueState::Waiting, QueueState::Withdrawn, QueueState::Waiting];
    let expected: Vec<_> = (1..=4).zip(states).map(|(n, state)| (n, key(n), state)).collect();
    assert_eq!(actual, expected);
    assert_eq!(harness.snapshot().await.seq, 4);
}

pub(crate) async fn an_application_without_secret_and_contact_gets_them_when_they_are_known(
    harness: &mut QueueHarness,
) {
    harness.queue().arm(&event(), FENCE, arming(2, 10)).await.unwrap();
    let from_receipt = RestoredApplication {
        req_hash: ReqHash::NONE,
        contact: Vec::new(),
        ..restored(3, 3, QueueState::Waiting)
    };
    harness.queue().restore(&event(), FENCE, std::slice::from_ref(&from_receipt)).await.unwrap();
    assert!(!harness.apply(3).await.unwrap().proven);
    // What it has is kept.
    for row in [restored(3, 3, QueueState::Waiting), from_receipt] {
        harness.queue().restore(&event(), FENCE, &[row]).await.unwrap();
        assert!(harness.apply(3).await.unwrap().proven);
        let head = harness.queue().head(&event(), 1).await.unwrap();
        assert_eq!(head.waiting[0].contact, contact(3));
    }
}

pub(crate) async fn an_admitted_application_from_the_ledger_gets_its_secret_back(harness: &mut QueueHarness) {
    harness.queue().arm(&event(), FENCE, arming(2, 10)).await.unwrap();
    let from_ledger = RestoredApplication {
        req_hash: ReqHash::NONE,
        contact: Vec::new(),
        ..restored(3, 3, QueueState::Admitted)
    };
    // From the ledger of an earlier version, and then from a journal or from the ledger.
    let rows = [from_ledger, restored(3, 3, QueueState::Waiting), restored(3, 3, QueueState::Admitted)];
    for row in rows {
        harness.queue().restore(&event(), FENCE, &[row]).await.unwrap();
        assert_eq!(harness.entry(3).await.state, QueueState::Admitted);
    }
    assert!(harness.apply(3).await.unwrap().proven, "the applicant who presses again gets the full receipt");
}

pub(crate) async fn replaced_gaps_are_those_that_count(harness: &mut QueueHarness) {
    harness.queue().arm(&event(), FENCE, arming(2, 10)).await.unwrap();
    let skipped = harness.snapshot().await.seq;
    harness.queue().restore(&event(), FENCE, &[restored(3, 3, QueueState::Waiting)]).await.unwrap();
    let mut gaps = Gaps::default();
    gaps.push(1, 2);
    gaps.push(4, skipped);
    harness.queue().replace_gaps(&event(), FENCE, &gaps).await.unwrap();
    assert_eq!(harness.snapshot().await.gaps, gaps);
    // One number is in use, so one more application reaches a limit of two.
    harness
        .project(|p| {
            (p.rev, p.number_limit, p.settings.applications_max) = (3, 5_000, 2);
        })
        .await;
    harness.apply(7).await.unwrap();
    assert_eq!(harness.apply(8).await, Err(QueueError::Full));
    harness.queue().replace_gaps(&event(), FENCE, &Gaps::default()).await.unwrap();
    assert_eq!(harness.snapshot().await.gaps.ranges(), []);
}

pub(crate) async fn a_restored_number_raises_the_last_one_of_a_closed_queue(harness: &mut QueueHarness) {
    harness.fill(1).await;
    assert_eq!(harness.queue().settle(&event(), FENCE).await.unwrap().closed_seq, 1);
    harness.queue().restore(&event(), FENCE, &[restored(5, 5, QueueState::Waiting)]).await.unwrap();
    assert_eq!(harness.queue().settle(&event(), FENCE).await.unwrap().closed_seq, 5);
}
