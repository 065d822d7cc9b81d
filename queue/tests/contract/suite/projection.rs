//! The projection of the ledger: settings, figures and outcomes.

use domain::{EventState, Outcome};
use queue::SeatFigures;

use crate::harness::{CLOSES, FENCE, OPENS, QueueHarness, event, number, projected, projection};

pub(crate) async fn older_settings_figures_and_limits_change_nothing(harness: &mut QueueHarness) {
    let figures = |sold| SeatFigures { sold, free: 1, held: 2, at: 3 };
    harness
        .project(|p| {
            (p.rev, p.settings.capacity, p.number_limit) = (5, 55, 5_000);
            (p.round, p.figures) = (9, figures(9));
        })
        .await;
    harness.project(|p| (p.rev, p.settings.capacity, p.round, p.figures) = (4, 44, 8, figures(8))).await;
    let snapshot = harness.snapshot().await;
    assert_eq!((snapshot.rev, snapshot.settings.capacity, snapshot.number_limit), (5, 55, 5_000));
    assert_eq!(snapshot.figures, figures(9));
    let mut newer = projection();
    (newer.round, newer.figures) = (1, figures(10));
    harness.queue().project(&event(), FENCE + 1, newer).await.unwrap();
    assert_eq!(harness.snapshot().await.figures, figures(10), "the first round of a newer leader is newer");
}

pub(crate) async fn a_time_that_took_effect_does_not_move(harness: &mut QueueHarness) {
    let set = async |rev, opens_at, closes_at| {
        let times = |p: &mut queue::Projection| {
            (p.rev, p.settings.opens_at, p.settings.closes_at) = (rev, opens_at, closes_at);
        };
        harness.project(times).await;
        let snapshot = harness.snapshot().await;
        (snapshot.rev, snapshot.settings.opens_at, snapshot.settings.closes_at, snapshot.state)
    };
    let late = CLOSES + 50;
    assert_eq!(set(3, 5_000, late).await, (3, OPENS, late, EventState::Open));
    harness.set_clock(late);
    assert_eq!(set(4, 5_000, late + 50).await, (4, OPENS, late, EventState::Closed));
    harness.set_clock(OPENS - 500);
    assert_eq!(harness.snapshot().await.state, EventState::Closed, "the closing is stored");
}

pub(crate) async fn applications_that_wait_in_a_settled_event_are_sold_out(harness: &mut QueueHarness) {
    harness.fill(4).await;
    harness.admitted(1, &[1]).await;
    harness.cancel(2).await;
    harness.project(|p| (p.state, p.settled_seq) = (EventState::Settled, Some(3))).await;
    harness.project(|p| (p.state, p.settled_seq) = (EventState::Settling, Some(4))).await;
    let snapshot = harness.snapshot().await;
    assert_eq!((snapshot.state, snapshot.closed.map(|c| c.closed_seq)), (EventState::Settled, Some(4)));
    let entries = harness.queue().entries(&event(), 0, 9).await.unwrap();
    let sold_out = Some(projected(Outcome::SoldOut));
    assert_eq!(entries.iter().map(|e| e.outcome.clone()).collect::<Vec<_>>(), [None, None, sold_out, None]);
    assert_eq!(harness.entry(3).await.outcome, Some(projected(Outcome::SoldOut)));
    assert_eq!(harness.entry(4).await.outcome, None);
}

pub(crate) async fn an_outcome_is_final_except_for_a_cancelled_order(harness: &mut QueueHarness) {
    harness.fill(1).await;
    let project_outcome = async |outcome| {
        harness.project(|p| p.outcomes = vec![(number(1), projected(outcome))]).await;
        harness.entry(1).await.outcome.unwrap()
    };
    assert_eq!(project_outcome(Outcome::Ordered).await, projected(Outcome::Ordered));
    assert_eq!(project_outcome(Outcome::Rejected).await, projected(Outcome::Ordered));
    assert_eq!(project_outcome(Outcome::Cancelled).await, projected(Outcome::Cancelled));
    assert_eq!(project_outcome(Outcome::Ordered).await, projected(Outcome::Cancelled));
}
