//! Restarts, arming, epochs and fences.

use domain::{Epoch, Gap, Outcome};
use queue::{ArmRequest, Continuity, LeaderError, QueueError, QueueState, UnjudgedArming};

use crate::harness::{
    FENCE, OPENS, QueueHarness, arming, event, key, number, projected, projection, restored,
};

pub(crate) async fn an_unarmed_queue_refuses_writes_and_denies_no_application(harness: &mut QueueHarness) {
    harness.fill(2).await;
    harness.restart().await;
    let queue = harness.queue();
    assert_eq!(harness.apply(1).await, Err(QueueError::NotArmed));
    assert_eq!(queue.cancel(&event(), key(1), number(1)).await, Err(QueueError::NotArmed));
    assert_eq!(harness.entry(2).await.number, number(2));
    assert_eq!(queue.entry(&event(), key(3)).await, Err(QueueError::NotArmed));
    assert_eq!(queue.app_key_of(&event(), number(2)).await, Ok(Some(key(2))));
    assert_eq!(queue.app_key_of(&event(), number(3)).await, Err(QueueError::NotArmed));
    assert_eq!(queue.head(&event(), 1).await, Err(LeaderError::NotArmed));
    assert_eq!(queue.inbox(&event(), 0, 1).await, Err(LeaderError::NotArmed));
    assert_eq!(queue.admitted(&event(), FENCE, 2, &[key(1)], 0).await, Err(LeaderError::NotArmed));
    assert_eq!(queue.acknowledge(&event(), FENCE, 9, 0).await, Err(LeaderError::NotArmed));
    assert_eq!(queue.settle(&event(), FENCE).await, Err(LeaderError::NotArmed));
    assert_eq!(queue.project(&event(), FENCE, projection()).await, Ok(()));
    assert_eq!(queue.restore(&event(), FENCE, &[restored(3, 3, QueueState::Waiting)]).await, Ok(()));
    assert_eq!(harness.entry(3).await.number, number(3));
}

pub(crate) async fn a_restart_loses_nothing_and_disarms(harness: &mut QueueHarness) {
    harness.fill(4).await;
    harness.admitted(2, &[1, 2]).await;
    harness.cancel(3).await;
    harness.project(|p| p.outcomes = vec![(number(1), projected(Outcome::Ordered))]).await;
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

pub(crate) async fn arming_skips_every_number_that_may_have_been_given(harness: &mut QueueHarness) {
    harness.fill(5).await;
    harness.restart().await;
    let armed = harness.queue().arm(&event(), FENCE, arming(2, 2_000)).await.unwrap();
    assert_eq!((armed.seq, armed.skipped), (2_000, 1_995));
    assert_eq!(harness.apply(9).await, Err(QueueError::AtLimit));
    assert_eq!(harness.apply(5).await.unwrap().epoch, domain::Epoch(2));
    harness.project(|p| p.number_limit = 3_000).await;
    assert_eq!(harness.apply(9).await.unwrap().number, number(2_001));
    assert_eq!(harness.snapshot().await.gaps.ranges(), [Gap { from: 6, to: 2_000 }]);
    // The queue keeps a projected limit, too: the ledger has a lower one only after a loss of its own.
    let armed = harness.queue().arm(&event(), FENCE, arming(3, 0)).await.unwrap();
    assert_eq!((armed.seq, armed.skipped), (3_000, 999));
}

pub(crate) async fn a_restart_before_the_opening_skips_no_number(harness: &mut QueueHarness) {
    let unopened = |epoch| ArmRequest { continuity: Continuity::Unopened, ..arming(epoch, 1_000) };
    harness.set_clock(OPENS - 500);
    harness.restart().await;
    let armed = harness.queue().arm(&event(), FENCE, unopened(2)).await.unwrap();
    assert_eq!((armed.seq, armed.skipped), (0, 0));
    // The ledger does not confirm it, so a number may have been given.
    let armed = harness
        .queue()
        .arm(&event(), FENCE, ArmRequest { continuity: Continuity::Unknown, ..unopened(3) })
        .await
        .unwrap();
    assert_eq!((armed.seq, armed.skipped), (1_000, 1_000));
}

pub(crate) async fn a_whole_queue_goes_on_without_a_gap(harness: &mut QueueHarness) {
    let whole = |epoch| ArmRequest { continuity: Continuity::Whole, ..arming(epoch, 5_000) };
    harness.fill(5).await;
    harness.restart().await;
    let armed = harness.queue().arm(&event(), FENCE, whole(2)).await.unwrap();
    assert_eq!((armed.seq, armed.skipped), (5, 0));
    assert_eq!(harness.apply(6).await, Err(QueueError::AtLimit), "until the leader has projected the limit");
    harness.project(|p| p.number_limit = 5_000).await;
    assert_eq!(harness.apply(6).await.unwrap().number, number(6));
    // A queue that has to be created is never whole.
    let other: domain::EventId = "lost".parse().unwrap();
    let armed = harness.queue().arm(&other, FENCE, whole(3)).await.unwrap();
    assert_eq!((armed.seq, armed.skipped), (5_000, 5_000));
}

pub(crate) async fn an_opened_or_a_new_queue_does_not_count_as_unopened(harness: &mut QueueHarness) {
    let unopened = |epoch| ArmRequest { continuity: Continuity::Unopened, ..arming(epoch, 1_000) };
    harness.set_clock(OPENS - 500);
    harness.queue().arm(&event(), FENCE, unopened(2)).await.unwrap();
    harness.project(|p| p.number_limit = 1_000).await;
    harness.set_clock(OPENS);
    assert_eq!(harness.apply(1).await.unwrap().number, number(1));
    let armed = harness.queue().arm(&event(), FENCE, unopened(3)).await.unwrap();
    assert_eq!((armed.seq, armed.skipped), (1_000, 999));
    // Neither does a queue that has to be created.
    let other: domain::EventId = "lost".parse().unwrap();
    harness.set_clock(OPENS - 500);
    let armed = harness.queue().arm(&other, FENCE, unopened(4)).await.unwrap();
    assert_eq!((armed.seq, armed.skipped), (1_000, 1_000));
    harness.queue().publish(&[event(), other.clone()]).await.unwrap();
    let unjudged = harness.queue().snapshot(&other).await.unwrap().unjudged;
    assert_eq!(unjudged, Some(UnjudgedArming { reached: 0, lost_applications: true }));
}

pub(crate) async fn what_arming_found_is_kept_until_it_is_judged(harness: &mut QueueHarness) {
    harness.fill(5).await;
    let found = |reached| Some(UnjudgedArming { reached, lost_applications: false });
    harness.project(|p| p.judged_epoch = Epoch(1)).await;
    assert_eq!(harness.snapshot().await.unjudged, None);
    // A leader that ends between arming and judging leaves it to the next one, over a restart of the store as well.
    harness.queue().arm(&event(), FENCE, arming(2, 1_000)).await.unwrap();
    harness.restart().await;
    harness.queue().arm(&event(), FENCE, arming(3, 2_000)).await.unwrap();
    harness.project(|p| p.judged_epoch = Epoch(2)).await;
    assert_eq!(harness.snapshot().await.unjudged, found(5));
    harness.project(|p| (p.judged_epoch, p.lost_epoch) = (Epoch(3), Epoch(3))).await;
    let snapshot = harness.snapshot().await;
    assert_eq!((snapshot.unjudged, snapshot.lost_epoch), (None, Epoch(3)));
    harness.project(|p| p.lost_epoch = Epoch(0)).await;
    assert_eq!(harness.snapshot().await.lost_epoch, Epoch(3), "it never falls");
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
    assert_eq!(queue.arm(&event(), FENCE, arming(1, 0)).await, Err(LeaderError::EpochTooOld { current: 1 }));
    queue.admitted(&event(), 7, 0, &[], 0).await.unwrap();
    let fenced = LeaderError::Fenced { current: 7 };
    assert_eq!(queue.arm(&event(), 6, arming(2, 0)).await, Err(fenced.clone()));
    assert_eq!(queue.project(&event(), 6, projection()).await, Err(fenced.clone()));
    assert_eq!(queue.admitted(&event(), 6, 1, &[key(1)], 0).await, Err(fenced.clone()));
    assert_eq!(queue.acknowledge(&event(), 6, 9, 0).await, Err(fenced.clone()));
    assert_eq!(queue.restore(&event(), 6, &[]).await, Err(fenced.clone()));
    assert_eq!(queue.settle(&event(), 6).await, Err(fenced));
    let snapshot = harness.snapshot().await;
    assert_eq!((snapshot.admitted_through, snapshot.closed, snapshot.epoch.0), (0, None, 1));
    harness.restart().await;
    let result = harness.queue().project(&event(), 6, projection()).await;
    assert_eq!(result, Err(LeaderError::Fenced { current: 7 }), "the fence is kept");
}
