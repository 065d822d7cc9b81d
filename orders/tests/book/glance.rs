//! The line at a glance, for the control room.

use domain::{Epoch, EventState, Fence};
use orders::{BookError, LineStatus};

use crate::desk::{Desk, NOON, Store};

pub(crate) fn status() -> LineStatus {
    LineStatus {
        at: 0,
        epoch: Epoch(2),
        state: EventState::Open,
        seq: 1200,
        moved_through: 40,
        waiting: 160,
        closed_seq: None,
        missing: 1000,
        armed: true,
        ordered_milli_per_s: 2500,
        oldest_wait_ms: None,
    }
}

pub(crate) async fn the_leader_writes_what_it_sees_and_keeps_the_lead_by_it(store: Store) {
    let desk = Desk::open(store, 1).await;
    let (book, event, fence) = (&desk.book, &desk.event, desk.fence);
    assert_eq!(book.line_status(event).await.unwrap(), None);
    book.write_line_status(event, fence, &status()).await.unwrap();
    assert_eq!(book.line_status(event).await.unwrap(), Some(LineStatus { at: NOON, ..status() }));
    desk.clock.advance(2900);
    let later = LineStatus {
        state: EventState::Closed,
        closed_seq: Some(1200),
        armed: false,
        oldest_wait_ms: Some(90_000),
        ..status()
    };
    book.write_line_status(event, fence, &later).await.unwrap();
    assert_eq!(book.line_status(event).await.unwrap(), Some(LineStatus { at: NOON + 2900, ..later }));
    desk.clock.advance(2900);
    assert_eq!(book.lead(event).await.unwrap(), None, "it still leads");
    let lost = book.write_line_status(event, Fence(fence.0 - 1), &status()).await;
    assert!(matches!(lost, Err(BookError::Lost)), "{lost:?}");
}
