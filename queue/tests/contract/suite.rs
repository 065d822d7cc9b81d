//! What every store must do, one promise a case. `cases!` makes a test of each, over the store that it is given.

use std::collections::BTreeSet;

use domain::{EventState, Gap, Outcome};
use queue::{
    ArmRequest, Closing, InboxKind, LeaderError, QueueEntry, QueueError, QueueState, RestoredApplication,
    SeatFigures,
};

use crate::harness::{
    CLOSES, FENCE, OPENS, QueueHarness, applicant, arming, contact, event, key, number, projection, restored,
    secret, shown,
};

macro_rules! cases {
    ($store:expr) => {
        crate::suite::cases!($store;
            numbers_are_given_in_order_and_once_per_person
            two_thousand_at_once_get_dense_numbers_each_once
            only_the_secret_of_the_application_proves_it
            who_is_refused_burns_no_number
            who_is_in_is_told_so_in_every_state
            an_unpublished_event_is_unsure_until_the_catalogue_is
            an_unarmed_queue_refuses_writes_and_denies_no_application
            a_restart_loses_nothing_and_disarms
            arming_goes_on_above_every_number_that_may_have_been_given
            a_restart_before_the_opening_skips_no_number
            after_the_opening_a_queue_never_counts_as_unopened
            a_new_queue_for_an_old_event_starts_above_its_limit
            a_lower_fence_or_an_old_epoch_is_refused
            the_head_is_in_order_and_never_popped
            the_head_looks_over_one_block_at_most
            moving_again_changes_nothing
            a_request_is_written_down_once_and_withdraws_who_waits
            a_cancel_under_another_number_changes_nothing
            who_was_passed_by_is_not_withdrawn_but_heard
            a_request_that_can_change_nothing_is_not_written_down
            inbox_positions_rise_over_epochs
            older_settings_figures_and_limits_change_nothing
            a_time_that_was_acted_on_does_not_move
            closing_is_final
            a_queue_that_was_down_at_its_time_closes_when_armed
            settling_closes_the_queue_once
            a_settled_event_is_sold_out_for_who_still_waits
            an_outcome_is_final_but_for_cancelling_an_order
            restoring_brings_back_what_is_missing
            restoring_never_changes_what_is_there
            a_restored_number_lies_before_the_end_of_a_closed_queue
        );
    };
    ($store:expr; $($case:ident)*) => {
        $(#[tokio::test]
        async fn $case() {
            crate::suite::$case(&mut crate::harness::QueueHarness::new($store).await).await;
        })*
    };
}
pub(crate) use cases;

pub(crate) async fn numbers_are_given_in_order_and_once_per_person(harness: &mut QueueHarness) {
    harness.fill(3).await;
    let again = harness.apply(2).await.unwrap();
    assert_eq!((again.number, again.already_applied, again.state), (number(2), true, QueueState::Waiting));
    assert_eq!(harness.snapshot().await.seq, 3);
    let entries = harness.queue().entries(&event(), 1, 1).await.unwrap();
    assert_eq!(entries.iter().map(|e| (e.number, e.app_key)).collect::<Vec<_>>(), [(number(2), key(2))]);
    assert_eq!(harness.queue().app_key_of(&event(), number(3)).await, Ok(Some(key(3))));
    assert_eq!(harness.queue().app_key_of(&event(), number(4)).await, Ok(None));
}

pub(crate) async fn two_thousand_at_once_get_dense_numbers_each_once(harness: &mut QueueHarness) {
    harness.project(|p| p.number_limit = 10_000).await;
    let mut all = tokio::task::JoinSet::new();
    for i in 0..2_000 {
        let queue = harness.queue().clone();
        // Every tenth is a double of the one before.
        let who = if i % 10 == 9 { i - 1 } else { i };
        all.spawn(async move { (who, queue.apply(&event(), applicant(who)).await.unwrap()) });
    }
    let replies = all.join_all().await;
    let given: BTreeSet<_> =
        replies.iter().filter(|(_, a)| !a.already_applied).map(|(_, a)| a.number.get()).collect();
    assert_eq!(given, (1..=1_800).collect());
    assert_eq!(replies.iter().filter(|(_, a)| a.already_applied).count(), 200);
    for (who, applied) in replies {
        assert_eq!(harness.place(who).await.number, applied.number);
    }
    assert_eq!(harness.snapshot().await.seq, 1_800);
}

pub(crate) async fn only_the_secret_of_the_application_proves_it(harness: &mut QueueHarness) {
    let none = domain::ReqHash::NONE;
    let apply = async |who, req_hash| {
        let applicant = queue::Applicant { req_hash, ..applicant(who) };
        harness.queue().apply(&event(), applicant).await.unwrap().proven
    };
    assert!(apply(1, secret(1)).await);
    assert!(apply(1, secret(1)).await);
    assert!(!apply(1, secret(2)).await);
    assert!(!apply(1, none).await);
    assert!(!apply(2, none).await);
    assert!(!apply(2, none).await);
}

pub(crate) async fn who_is_refused_burns_no_number(harness: &mut QueueHarness) {
    harness.fill(2).await;
    harness.set_clock(OPENS - 1);
    assert_eq!(harness.apply(9).await, Err(QueueError::NotOpen { opens_at: OPENS }));
    harness.set_clock(OPENS);
    harness.project(|p| (p.rev, p.settings.intake) = (3, false)).await;
    assert_eq!(harness.apply(9).await, Err(QueueError::OnHold));
    harness.project(|p| (p.rev, p.settings.applications_max) = (4, 2)).await;
    assert_eq!(harness.apply(9).await, Err(QueueError::Full));
    harness.project(|p| (p.rev, p.number_limit) = (5, 1_000)).await;
    harness.queue().arm(&event(), FENCE, arming(2, 0)).await.unwrap();
    assert_eq!(harness.apply(9).await, Err(QueueError::AtLimit));
    harness.set_clock(CLOSES);
    assert_eq!(harness.apply(9).await, Err(QueueError::Closed { closed_at: CLOSES }));
    let view = harness.snapshot().await;
    assert_eq!((view.seq, view.gaps.count(0, view.seq)), (1_000, 998));
    assert_eq!(harness.queue().entries(&event(), 0, 10).await.unwrap().len(), 2);
}

pub(crate) async fn who_is_in_is_told_so_in_every_state(harness: &mut QueueHarness) {
    harness.fill(1).await;
    harness.project(|p| (p.rev, p.settings.intake, p.settings.applications_max) = (3, false, 1)).await;
    assert_eq!(harness.apply(1).await.unwrap().number, number(1));
    harness.set_clock(CLOSES + 1);
    assert_eq!(harness.apply(1).await.unwrap().number, number(1));
    harness.project(|p| (p.state, p.settled_seq) = (EventState::Settled, Some(1))).await;
    assert!(harness.apply(1).await.unwrap().already_applied);
    harness.cancel(1).await;
    assert_eq!(harness.apply(1).await.unwrap().state, QueueState::Waiting);
}

pub(crate) async fn an_unpublished_event_is_unsure_until_the_catalogue_is(harness: &mut QueueHarness) {
    let other = "other".parse().unwrap();
    assert_eq!(harness.queue().catalogue().await, Ok(vec![event()]));
    assert_eq!(harness.queue().apply(&other, applicant(1)).await, Err(QueueError::UnknownEvent));
    assert_eq!(harness.queue().snapshot(&other).await, Err(QueueError::UnknownEvent));
    assert_eq!(harness.queue().entry(&other, key(1)).await, Err(QueueError::UnknownEvent));
    assert_eq!(harness.queue().settle(&other, FENCE).await, Err(LeaderError::UnknownEvent));
    harness.restart().await;
    assert_eq!(harness.queue().catalogue().await, Err(QueueError::NotArmed));
    assert_eq!(harness.queue().apply(&other, applicant(1)).await, Err(QueueError::NotArmed));
    assert_eq!(harness.queue().snapshot(&other).await, Err(QueueError::NotArmed));
    harness.queue().publish(std::slice::from_ref(&other)).await.unwrap();
    assert_eq!(harness.queue().catalogue().await, Ok(vec![other]));
    assert_eq!(harness.apply(1).await, Err(QueueError::UnknownEvent));
}

pub(crate) async fn an_unarmed_queue_refuses_writes_and_denies_no_application(harness: &mut QueueHarness) {
    harness.fill(2).await;
    harness.restart().await;
    let queue = harness.queue();
    assert_eq!(harness.apply(1).await, Err(QueueError::NotArmed));
    assert_eq!(queue.cancel(&event(), key(1), number(1)).await, Err(QueueError::NotArmed));
    assert_eq!(harness.place(2).await.number, number(2));
    assert_eq!(queue.entry(&event(), key(3)).await, Err(QueueError::NotArmed));
    assert_eq!(queue.app_key_of(&event(), number(2)).await, Ok(Some(key(2))));
    assert_eq!(queue.app_key_of(&event(), number(3)).await, Err(QueueError::NotArmed));
    assert_eq!(queue.head(&event(), 1).await, Err(LeaderError::NotArmed));
    assert_eq!(queue.inbox(&event(), 0, 1).await, Err(LeaderError::NotArmed));
    assert_eq!(queue.admitted(&event(), FENCE, 2, &[key(1)]).await, Err(LeaderError::NotArmed));
    assert_eq!(queue.acknowledge(&event(), FENCE, 9).await, Err(LeaderError::NotArmed));
    assert_eq!(queue.settle(&event(), FENCE).await, Err(LeaderError::NotArmed));
    assert_eq!(queue.project(&event(), FENCE, projection()).await, Ok(()));
    assert_eq!(queue.restore(&event(), FENCE, &[restored(3, 3, QueueState::Waiting)]).await, Ok(()));
    assert_eq!(harness.place(3).await.number, number(3));
}

pub(crate) async fn a_restart_loses_nothing_and_disarms(harness: &mut QueueHarness) {
    harness.fill(4).await;
    harness.admitted(2, &[1, 2]).await;
    harness.cancel(3).await;
    harness.project(|p| p.outcomes = vec![(number(1), shown(Outcome::Ordered))]).await;
    let (before, entries) =
        (harness.snapshot().await, harness.queue().entries(&event(), 0, 10).await.unwrap());
    let inbox = harness.inbox().await;
    harness.restart().await;
    assert_eq!(harness.snapshot().await, queue::QueueSnapshot { armed: false, ..before });
    assert_eq!(harness.queue().entries(&event(), 0, 10).await.unwrap(), entries);
    harness.queue().arm(&event(), FENCE, arming(2, 4)).await.unwrap();
    assert!(harness.snapshot().await.armed);
    assert_eq!(harness.inbox().await, inbox);
}

pub(crate) async fn arming_goes_on_above_every_number_that_may_have_been_given(harness: &mut QueueHarness) {
    harness.fill(5).await;
    harness.restart().await;
    let armed = harness.queue().arm(&event(), FENCE, arming(2, 2_000)).await.unwrap();
    assert_eq!((armed.seq, armed.skipped), (2_000, 1_995));
    assert_eq!(harness.apply(9).await, Err(QueueError::AtLimit));
    assert_eq!(harness.apply(5).await.unwrap().epoch, domain::Epoch(2));
    harness.project(|p| p.number_limit = 3_000).await;
    assert_eq!(harness.apply(9).await.unwrap().number, number(2_001));
    assert_eq!(harness.snapshot().await.gaps.ranges(), [Gap { from: 6, to: 2_000 }]);
    // A limit that was projected binds, too: the ledger is never behind the queue but after a loss of its own.
    let armed = harness.queue().arm(&event(), FENCE, arming(3, 0)).await.unwrap();
    assert_eq!((armed.seq, armed.skipped), (3_000, 999));
}

pub(crate) async fn a_restart_before_the_opening_skips_no_number(harness: &mut QueueHarness) {
    let unopened = |epoch| ArmRequest { unopened: true, ..arming(epoch, 1_000) };
    harness.set_clock(OPENS - 500);
    harness.restart().await;
    let armed = harness.queue().arm(&event(), FENCE, unopened(2)).await.unwrap();
    assert_eq!((armed.seq, armed.skipped, armed.lost_applications), (0, 0, false));
    // The ledger does not vouch for it: a number may have been given.
    let armed =
        harness.queue().arm(&event(), FENCE, ArmRequest { unopened: false, ..unopened(3) }).await.unwrap();
    assert_eq!((armed.seq, armed.skipped), (1_000, 1_000));
}

pub(crate) async fn after_the_opening_a_queue_never_counts_as_unopened(harness: &mut QueueHarness) {
    let unopened = |epoch| ArmRequest { unopened: true, ..arming(epoch, 1_000) };
    harness.set_clock(OPENS - 500);
    harness.queue().arm(&event(), FENCE, unopened(2)).await.unwrap();
    harness.project(|p| p.number_limit = 1_000).await;
    harness.set_clock(OPENS);
    assert_eq!(harness.apply(1).await.unwrap().number, number(1));
    let armed = harness.queue().arm(&event(), FENCE, unopened(3)).await.unwrap();
    assert_eq!((armed.seq, armed.skipped), (1_000, 999));
    // Neither does a queue that has to be made anew.
    let other = "lost".parse().unwrap();
    harness.set_clock(OPENS - 500);
    let armed = harness.queue().arm(&other, FENCE, unopened(4)).await.unwrap();
    assert_eq!((armed.seq, armed.skipped, armed.lost_applications), (1_000, 1_000, true));
}

pub(crate) async fn a_new_queue_for_an_old_event_starts_above_its_limit(harness: &mut QueueHarness) {
    let other = "lost".parse().unwrap();
    let armed = harness.queue().arm(&other, FENCE, arming(7, 50)).await.unwrap();
    assert_eq!((armed.seq, armed.skipped), (50, 50));
    let first = harness.snapshot().await;
    assert_eq!((first.seq, first.gaps.ranges()), (0, [].as_slice()));
}

pub(crate) async fn a_lower_fence_or_an_old_epoch_is_refused(harness: &mut QueueHarness) {
    harness.fill(1).await;
    let queue = harness.queue();
    assert_eq!(queue.arm(&event(), FENCE, arming(1, 0)).await, Err(LeaderError::OldEpoch(1)));
    queue.admitted(&event(), 7, 0, &[]).await.unwrap();
    let fenced = LeaderError::Fenced(7);
    assert_eq!(queue.arm(&event(), 6, arming(2, 0)).await, Err(fenced.clone()));
    assert_eq!(queue.project(&event(), 6, projection()).await, Err(fenced.clone()));
    assert_eq!(queue.admitted(&event(), 6, 1, &[key(1)]).await, Err(fenced.clone()));
    assert_eq!(queue.acknowledge(&event(), 6, 9).await, Err(fenced.clone()));
    assert_eq!(queue.restore(&event(), 6, &[]).await, Err(fenced.clone()));
    assert_eq!(queue.settle(&event(), 6).await, Err(fenced));
    let view = harness.snapshot().await;
    assert_eq!((view.admitted_through, view.closed, view.epoch.0), (0, None, 1));
    harness.restart().await;
    let refused = harness.queue().project(&event(), 6, projection()).await;
    assert_eq!(refused, Err(LeaderError::Fenced(7)), "the fence is kept");
}

pub(crate) async fn the_head_is_in_order_and_never_popped(harness: &mut QueueHarness) {
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

pub(crate) async fn the_head_looks_over_one_block_at_most(harness: &mut QueueHarness) {
    harness.fill(1).await;
    harness.queue().arm(&event(), FENCE, arming(2, 5_000)).await.unwrap();
    harness.project(|p| p.number_limit = 6_000).await;
    harness.apply(2).await.unwrap();
    assert_eq!(harness.head(2).await, (vec![1], 4_096));
    harness.admitted(4_096, &[1]).await;
    assert_eq!(harness.head(2).await, (vec![5_001], 5_001));
}

pub(crate) async fn moving_again_changes_nothing(harness: &mut QueueHarness) {
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
    assert_eq!(harness.snapshot().await.admitted_through, 3, "it never falls");
    harness.admitted(99, &[]).await;
    assert_eq!(harness.snapshot().await.admitted_through, 4, "nor rises above the last number");
    assert_eq!(harness.head(9).await, (vec![4], 4), "who was not named is not lost");
}

pub(crate) async fn a_request_is_written_down_once_and_withdraws_who_waits(harness: &mut QueueHarness) {
    harness.fill(2).await;
    assert_eq!(harness.cancel(9).await, None);
    let gone = QueueEntry { number: number(2), app_key: key(2), state: QueueState::Withdrawn, outcome: None };
    assert_eq!(harness.cancel(2).await, Some(gone.clone()));
    assert_eq!(harness.cancel(2).await, Some(gone.clone()));
    let inbox = harness.inbox().await;
    assert_eq!(inbox.len(), 1);
    assert_eq!(
        (inbox[0].number, inbox[0].app_key, inbox[0].kind, inbox[0].at),
        (number(2), key(2), InboxKind::Cancel, OPENS + 1_000)
    );
    harness.queue().acknowledge(&event(), FENCE, inbox[0].id).await.unwrap();
    assert_eq!(harness.cancel(2).await, Some(gone));
    assert_eq!(harness.inbox().await, []);
    let again = harness.apply(2).await.unwrap();
    assert_eq!((again.number, again.state), (number(2), QueueState::Withdrawn), "withdrawing is final");
}

pub(crate) async fn a_cancel_under_another_number_changes_nothing(harness: &mut QueueHarness) {
    harness.fill(3).await;
    harness.admitted(1, &[1]).await;
    let entries = harness.queue().entries(&event(), 0, 10).await.unwrap();
    for (who, n) in [(1, 2), (2, 1), (2, 3), (2, 4), (3, 2)] {
        let asked = harness.queue().cancel(&event(), key(who), number(n)).await;
        assert_eq!(asked, Ok(None), "{who} under {n}");
    }
    assert_eq!(
        (harness.inbox().await, harness.queue().entries(&event(), 0, 10).await.unwrap()),
        (vec![], entries)
    );
    assert_eq!(harness.head(9).await, (vec![2, 3], 3), "all still wait, with their contacts");
    assert_eq!(harness.queue().head(&event(), 1).await.unwrap().waiting[0].contact, contact(2));
    let asked = harness.queue().cancel(&event(), key(2), number(2)).await.unwrap();
    assert_eq!(asked.unwrap().state, QueueState::Withdrawn);
}

pub(crate) async fn who_was_passed_by_is_not_withdrawn_but_heard(harness: &mut QueueHarness) {
    harness.fill(3).await;
    harness.admitted(2, &[1]).await;
    assert_eq!(harness.cancel(1).await.unwrap().state, QueueState::Admitted);
    assert_eq!(harness.cancel(2).await.unwrap().state, QueueState::Waiting);
    assert_eq!(harness.cancel(3).await.unwrap().state, QueueState::Withdrawn);
    let inbox = harness.inbox().await;
    assert_eq!(inbox.iter().map(|a| a.number.get()).collect::<Vec<_>>(), [1, 2, 3]);
    harness.queue().acknowledge(&event(), FENCE, inbox[1].id).await.unwrap();
    assert_eq!(harness.inbox().await, inbox[2..]);
    harness.cancel(1).await;
    assert_eq!(
        harness.inbox().await.len(),
        2,
        "an order can still be cancelled, so the request counts again"
    );
}

pub(crate) async fn a_request_that_can_change_nothing_is_not_written_down(harness: &mut QueueHarness) {
    harness.fill(3).await;
    harness.admitted(3, &[1, 2, 3]).await;
    let outcomes = [Outcome::Rejected, Outcome::Ordered].map(shown);
    harness.project(|p| p.outcomes = [number(1), number(2)].into_iter().zip(outcomes).collect()).await;
    assert_eq!(harness.cancel(1).await.unwrap().outcome, Some(shown(Outcome::Rejected)));
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
    harness.queue().acknowledge(&event(), FENCE, first).await.unwrap();
    harness.restart().await;
    harness.queue().arm(&event(), FENCE, arming(2, 3)).await.unwrap();
    harness.cancel(2).await;
    harness.cancel(3).await;
    let ids: Vec<_> = harness.inbox().await.iter().map(|a| a.id).collect();
    assert!(first < ids[0] && ids[0] < ids[1], "{first} {ids:?}");
    assert_eq!(harness.queue().inbox(&event(), ids[0], 9).await.unwrap()[0].id, ids[1]);
    assert_eq!(harness.queue().inbox(&event(), 0, 1).await.unwrap().len(), 1);
}

pub(crate) async fn older_settings_figures_and_limits_change_nothing(harness: &mut QueueHarness) {
    let figures = |sold| SeatFigures { sold, free: 1, held: 2, at: 3 };
    harness
        .project(|p| {
            (p.rev, p.settings.capacity, p.number_limit) = (5, 55, 5_000);
            (p.round, p.figures) = (9, figures(9));
        })
        .await;
    harness.project(|p| (p.rev, p.settings.capacity, p.round, p.figures) = (4, 44, 8, figures(8))).await;
    let view = harness.snapshot().await;
    assert_eq!((view.rev, view.settings.capacity, view.number_limit), (5, 55, 5_000));
    assert_eq!(view.figures, figures(9));
    let mut newer = projection();
    (newer.round, newer.figures) = (1, figures(10));
    harness.queue().project(&event(), FENCE + 1, newer).await.unwrap();
    assert_eq!(harness.snapshot().await.figures, figures(10), "a newer leader's first round is newer");
}

pub(crate) async fn a_time_that_was_acted_on_does_not_move(harness: &mut QueueHarness) {
    let set = async |rev, opens_at, closes_at| {
        let times = |p: &mut queue::Projection| {
            (p.rev, p.settings.opens_at, p.settings.closes_at) = (rev, opens_at, closes_at);
        };
        harness.project(times).await;
        let view = harness.snapshot().await;
        (view.rev, view.settings.opens_at, view.settings.closes_at, view.state)
    };
    let late = CLOSES + 50;
    assert_eq!(set(3, 5_000, late).await, (3, OPENS, late, EventState::Open));
    harness.set_clock(late);
    assert_eq!(set(4, 5_000, late + 50).await, (4, OPENS, late, EventState::Closed));
    harness.set_clock(OPENS - 500);
    assert_eq!(harness.snapshot().await.state, EventState::Closed, "closing was written down");
}

pub(crate) async fn closing_is_final(harness: &mut QueueHarness) {
    harness.fill(2).await;
    harness.cancel(1).await;
    let heard = harness.inbox().await[0].id;
    harness.set_clock(CLOSES + 5);
    assert_eq!((harness.snapshot().await.state, harness.snapshot().await.closed), (EventState::Closed, None));
    assert_eq!(harness.apply(3).await, Err(QueueError::Closed { closed_at: CLOSES }));
    let closing = Closing { closed_seq: 2, closed_at: CLOSES, inbox_last: heard };
    assert_eq!(harness.snapshot().await.closed, Some(closing));
    harness.cancel(2).await;
    harness.project(|p| (p.rev, p.settings.closes_at) = (3, CLOSES + 1_000)).await;
    assert_eq!(harness.apply(3).await, Err(QueueError::Closed { closed_at: CLOSES }));
    harness.restart().await;
    harness.queue().arm(&event(), FENCE, arming(2, 0)).await.unwrap();
    assert_eq!(harness.snapshot().await.closed, Some(closing));
    assert_eq!(harness.queue().settle(&event(), FENCE).await, Ok(closing));
}

pub(crate) async fn a_queue_that_was_down_at_its_time_closes_when_armed(harness: &mut QueueHarness) {
    harness.fill(2).await;
    harness.restart().await;
    harness.set_clock(CLOSES + 5);
    harness.project(|p| (p.rev, p.settings.closes_at) = (3, CLOSES + 1_000)).await;
    assert_eq!((harness.snapshot().await.state, harness.snapshot().await.closed), (EventState::Closed, None));
    harness.queue().arm(&event(), FENCE, arming(2, 50)).await.unwrap();
    // Whatever was lost lies at or below the limit, so before the end.
    let closing = Closing { closed_seq: 1_000, closed_at: CLOSES, inbox_last: 0 };
    assert_eq!(harness.snapshot().await.closed, Some(closing));
}

pub(crate) async fn settling_closes_the_queue_once(harness: &mut QueueHarness) {
    harness.fill(2).await;
    let now = OPENS + 1_000;
    let closing = Closing { closed_seq: 2, closed_at: now, inbox_last: 0 };
    assert_eq!(harness.queue().settle(&event(), FENCE).await, Ok(closing));
    harness.set_clock(now + 10);
    harness.cancel(2).await;
    assert_eq!(harness.queue().settle(&event(), FENCE).await, Ok(closing));
    assert_eq!(harness.apply(3).await, Err(QueueError::Closed { closed_at: now }));
    assert_eq!(harness.snapshot().await.state, EventState::Closed);
    harness.project(|p| p.state = EventState::Settling).await;
    harness.project(|p| p.state = EventState::Closed).await;
    assert_eq!(harness.snapshot().await.state, EventState::Settling);
}

pub(crate) async fn a_settled_event_is_sold_out_for_who_still_waits(harness: &mut QueueHarness) {
    harness.fill(4).await;
    harness.admitted(1, &[1]).await;
    harness.cancel(2).await;
    harness.project(|p| (p.state, p.settled_seq) = (EventState::Settled, Some(3))).await;
    harness.project(|p| (p.state, p.settled_seq) = (EventState::Settling, Some(4))).await;
    let view = harness.snapshot().await;
    assert_eq!((view.state, view.closed.map(|c| c.closed_seq)), (EventState::Settled, Some(4)));
    let entries = harness.queue().entries(&event(), 0, 9).await.unwrap();
    let sold_out = Some(shown(Outcome::SoldOut));
    assert_eq!(entries.iter().map(|e| e.outcome.clone()).collect::<Vec<_>>(), [None, None, sold_out, None]);
    assert_eq!(harness.place(3).await.outcome, Some(shown(Outcome::SoldOut)));
    assert_eq!(harness.place(4).await.outcome, None);
}

pub(crate) async fn an_outcome_is_final_but_for_cancelling_an_order(harness: &mut QueueHarness) {
    harness.fill(1).await;
    let show = async |outcome| {
        harness.project(|p| p.outcomes = vec![(number(1), shown(outcome))]).await;
        harness.place(1).await.outcome.unwrap()
    };
    assert_eq!(show(Outcome::Ordered).await, shown(Outcome::Ordered));
    assert_eq!(show(Outcome::Rejected).await, shown(Outcome::Ordered));
    assert_eq!(show(Outcome::Cancelled).await, shown(Outcome::Cancelled));
    assert_eq!(show(Outcome::Ordered).await, shown(Outcome::Cancelled));
}

pub(crate) async fn restoring_brings_back_what_is_missing(harness: &mut QueueHarness) {
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
        assert_eq!(harness.head(1).await, (vec![4], 6), "who was passed by is first, and looks no further");
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

pub(crate) async fn restoring_never_changes_what_is_there(harness: &mut QueueHarness) {
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
    let known: Vec<_> = entries.iter().map(|e| (e.number.get(), e.app_key, e.state)).collect();
    let states = [QueueState::Admitted, QueueState::Waiting, QueueState::Withdrawn, QueueState::Waiting];
    let expected: Vec<_> = (1..=4).zip(states).map(|(n, state)| (n, key(n), state)).collect();
    assert_eq!(known, expected);
    assert_eq!(harness.snapshot().await.seq, 4);
}

pub(crate) async fn a_restored_number_lies_before_the_end_of_a_closed_queue(harness: &mut QueueHarness) {
    harness.fill(1).await;
    assert_eq!(harness.queue().settle(&event(), FENCE).await.unwrap().closed_seq, 1);
    harness.queue().restore(&event(), FENCE, &[restored(5, 5, QueueState::Waiting)]).await.unwrap();
    assert_eq!(harness.queue().settle(&event(), FENCE).await.unwrap().closed_seq, 5);
}
