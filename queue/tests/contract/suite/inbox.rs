//! Cancel requests and the inbox.

use domain::{EventState, Outcome};
use queue::{InboxKind, QueueEntry, QueueState};

use crate::harness::{FENCE, OPENS, QueueHarness, arming, contact, event, key, number, projected};

pub(crate) async fn a_cancel_is_written_once_and_withdraws_a_waiting_application(harness: &mut QueueHarness) {
    harness.fill(2).await;
    assert_eq!(harness.cancel(9).await, None);
    let withdrawn = QueueEntry {
        number: number(2),
        app_key: key(2),
        state: QueueState::Withdrawn,
        outcome: None,
        called: None,
        cancel_requested: true,
    };
    assert_eq!(harness.cancel(2).await, Some(withdrawn.clone()));
    assert_eq!(harness.cancel(2).await, Some(withdrawn.clone()));
    let inbox = harness.inbox().await;
    assert_eq!(inbox.len(), 1);
    assert_eq!(
        (inbox[0].number, inbox[0].app_key, inbox[0].kind, inbox[0].at),
        (number(2), key(2), InboxKind::Cancel, OPENS + 1_000)
    );
    harness.queue().acknowledge(&event(), FENCE, inbox[0].id, 0).await.unwrap();
    assert_eq!(harness.cancel(2).await, Some(withdrawn));
    assert_eq!(harness.inbox().await, []);
    let repeated = harness.apply(2).await.unwrap();
    assert_eq!(
        (repeated.number, repeated.state),
        (number(2), QueueState::Withdrawn),
        "a withdrawal is final"
    );
}

pub(crate) async fn a_cancel_under_another_number_changes_nothing(harness: &mut QueueHarness) {
    harness.fill(3).await;
    harness.admitted(1, &[1]).await;
    let entries = harness.queue().entries(&event(), 0, 10).await.unwrap();
    for (person, n) in [(1, 2), (2, 1), (2, 3), (2, 4), (3, 2)] {
        let cancelled = harness.queue().cancel(&event(), key(person), number(n)).await;
        assert_eq!(cancelled, Ok(None), "{person} under {n}");
    }
    assert_eq!(
        (harness.inbox().await, harness.queue().entries(&event(), 0, 10).await.unwrap()),
        (vec![], entries)
    );
    assert_eq!(harness.head(9).await, (vec![2, 3], 3), "all still wait");
    assert_eq!(harness.queue().head(&event(), 1).await.unwrap().waiting[0].contact, contact(2));
    let cancelled = harness.queue().cancel(&event(), key(2), number(2)).await.unwrap();
    assert_eq!(cancelled.unwrap().state, QueueState::Withdrawn);
}

pub(crate) async fn a_processed_application_is_not_withdrawn_by_its_cancel(harness: &mut QueueHarness) {
    harness.fill(3).await;
    harness.admitted(2, &[1]).await;
    assert_eq!(harness.cancel(1).await.unwrap().state, QueueState::Admitted);
    assert_eq!(harness.cancel(2).await.unwrap().state, QueueState::Waiting);
    assert_eq!(harness.cancel(3).await.unwrap().state, QueueState::Withdrawn);
    let inbox = harness.inbox().await;
    assert_eq!(inbox.iter().map(|a| a.number.get()).collect::<Vec<_>>(), [1, 2, 3]);
    harness.queue().acknowledge(&event(), FENCE, inbox[1].id, 0).await.unwrap();
    assert_eq!(harness.inbox().await, inbox[2..]);
    harness.cancel(1).await;
    assert_eq!(
        harness.inbox().await.len(),
        2,
        "an order can still be cancelled, so the request is written again"
    );
}

pub(crate) async fn a_cancel_that_can_change_nothing_is_not_written(harness: &mut QueueHarness) {
    harness.fill(3).await;
    harness.admitted(3, &[1, 2, 3]).await;
    let outcomes = [Outcome::Rejected, Outcome::Ordered].map(projected);
    harness.project(|p| p.outcomes = [number(1), number(2)].into_iter().zip(outcomes).collect()).await;
    assert_eq!(harness.cancel(1).await.unwrap().outcome, Some(projected(Outcome::Rejected)));
    assert_eq!(harness.inbox().await, []);
    harness.cancel(2).await;
    assert_eq!(harness.inbox().await.len(), 1);
    harness.project(|p| (p.state, p.settled_seq) = (EventState::Settled, Some(3))).await;
    assert_eq!(harness.cancel(3).await.unwrap().state, QueueState::Admitted);
    assert_eq!(harness.inbox().await.len(), 1);
}

pub(crate) async fn inbox_positions_rise_over_epochs(harness: &mut QueueHarness) {
    harness.fill(3).await;
    harness.cancel(1).await;
    let first = harness.inbox().await[0].id;
    harness.queue().acknowledge(&event(), FENCE, first, 0).await.unwrap();
    harness.restart().await;
    harness.queue().arm(&event(), FENCE, arming(2, 3)).await.unwrap();
    harness.cancel(2).await;
    harness.cancel(3).await;
    let ids: Vec<_> = harness.inbox().await.iter().map(|a| a.id).collect();
    assert!(first < ids[0] && ids[0] < ids[1], "{first} {ids:?}");
    assert_eq!(harness.queue().inbox(&event(), ids[0], 9).await.unwrap()[0].id, ids[1]);
    assert_eq!(harness.queue().inbox(&event(), 0, 1).await.unwrap().len(), 1);
}
