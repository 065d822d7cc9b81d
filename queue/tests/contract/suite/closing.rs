//! The closing of the queue.

use domain::{EventSettings, EventState};
use queue::{ArmRequest, Closing, QueueError};

use crate::harness::{CLOSES, FENCE, OPENS, QueueHarness, arming, event, settings};

pub(crate) async fn closing_is_final(harness: &mut QueueHarness) {
    harness.fill(2).await;
    harness.cancel(1).await;
    let last_request = harness.inbox().await[0].id;
    harness.set_clock(CLOSES + 5);
    assert_eq!((harness.snapshot().await.state, harness.snapshot().await.closed), (EventState::Closed, None));
    assert_eq!(harness.apply(3).await, Err(QueueError::Closed { closed_at: CLOSES }));
    let closing = Closing { closed_seq: 2, closed_at: CLOSES, closed_inbox: last_request };
    assert_eq!(harness.snapshot().await.closed, Some(closing));
    harness.cancel(2).await;
    harness.project(|p| (p.rev, p.settings.closes_at) = (3, CLOSES + 1_000)).await;
    assert_eq!(harness.apply(3).await, Err(QueueError::Closed { closed_at: CLOSES }));
    harness.restart().await;
    harness.queue().arm(&event(), FENCE, arming(2, 0)).await.unwrap();
    assert_eq!(harness.snapshot().await.closed, Some(closing));
    assert_eq!(harness.queue().settle(&event(), FENCE).await, Ok(closing));
}

pub(crate) async fn a_queue_that_was_down_at_its_closing_time_closes_when_armed(harness: &mut QueueHarness) {
    harness.fill(2).await;
    harness.restart().await;
    harness.set_clock(CLOSES + 5);
    assert_eq!((harness.snapshot().await.state, harness.snapshot().await.closed), (EventState::Closed, None));
    harness.queue().arm(&event(), FENCE, arming(2, 50)).await.unwrap();
    // All that may have been lost lies at or below the limit, so before the closing.
    let closing = Closing { closed_seq: 1_000, closed_at: CLOSES, closed_inbox: 0 };
    assert_eq!(harness.snapshot().await.closed, Some(closing));
}

pub(crate) async fn times_that_were_changed_while_the_queue_was_away_hold(harness: &mut QueueHarness) {
    let late = CLOSES + 1_000;
    let postponed = |epoch| {
        let settings = EventSettings { opens_at: CLOSES + 500, closes_at: late, ..settings() };
        ArmRequest { rev: 3, settings, ..arming(epoch, 0) }
    };
    harness.restart().await;
    harness.set_clock(CLOSES + 5);
    harness.queue().arm(&event(), FENCE, postponed(2)).await.unwrap();
    harness.project(|p| p.number_limit = 2_000).await;
    assert_eq!(harness.snapshot().await.state, EventState::Scheduled);
    assert_eq!(harness.apply(1).await, Err(QueueError::NotOpen { opens_at: CLOSES + 500 }));
    harness.set_clock(CLOSES + 501);
    harness.apply(1).await.unwrap();

    // It gave a number, so its opening holds. Its closing is still to come.
    harness.restart().await;
    harness.set_clock(late + 5);
    let settings = EventSettings { opens_at: late + 50, closes_at: late + 100, ..settings() };
    let arming = ArmRequest { rev: 4, settings, ..arming(3, 0) };
    harness.queue().arm(&event(), FENCE, arming).await.unwrap();
    let snapshot = harness.snapshot().await;
    assert_eq!((snapshot.settings.opens_at, snapshot.settings.closes_at), (CLOSES + 500, late + 100));
    assert_eq!(snapshot.state, EventState::Open);
}

pub(crate) async fn settling_closes_the_queue_once(harness: &mut QueueHarness) {
    harness.fill(2).await;
    let now = OPENS + 1_000;
    let closing = Closing { closed_seq: 2, closed_at: now, closed_inbox: 0 };
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
