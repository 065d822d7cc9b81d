//! Closing and settling.

use domain::{EventState, Fence};
use orders::{Answer, BookError, EndParked, Settling};

use crate::changing::KIM;
use crate::desk::{Desk, Store, key};

impl Desk {
    async fn advance_to(&self, state: EventState) {
        self.book.advance(&self.event, self.fence, state).await.unwrap();
    }
    async fn state(&self) -> EventState {
        self.book.event(&self.event).await.unwrap().state
    }
    /// An event that is settling, with 9 as its last number.
    async fn settling(&self) {
        self.advance_to(EventState::Closed).await;
        self.advance_to(EventState::Settling).await;
        self.book.note_closed(&self.event, self.fence, 9).await.unwrap();
    }
    async fn settle(&self, anybody_waits: bool) -> Settling {
        self.book.settle(&self.event, self.fence, anybody_waits).await.unwrap()
    }
}

pub(crate) async fn an_event_only_goes_forward_and_tells_each_step_once(store: Store) {
    let desk = Desk::open(store, 1).await;
    for to in
        [EventState::Open, EventState::Closed, EventState::Open, EventState::Closed, EventState::Scheduled]
    {
        desk.advance_to(to).await;
    }
    assert_eq!(desk.state().await, EventState::Closed);
    assert_eq!(desk.notices().await, ["event.closed", "event.open"]);
    let late = desk.book.advance(&desk.event, Fence(desk.fence.0 - 1), EventState::Settling).await;
    assert!(matches!(late, Err(BookError::Lost)));
}

pub(crate) async fn an_event_is_settled_when_no_seat_is_held_and_none_is_free_while_somebody_waits(
    store: Store,
) {
    let desk = Desk::open(store, 2).await;
    desk.order(1).await;
    desk.take([2]).await;
    desk.advance_to(EventState::Closed).await;
    desk.advance_to(EventState::Settling).await;
    assert_eq!(desk.settle(false).await, Settling::NotYet, "the line has not closed");
    desk.book.note_closed(&desk.event, desk.fence, 9).await.unwrap();
    assert_eq!(desk.settle(true).await, Settling::NotYet, "a seat is held");
    let call = desk.lease_one().await;
    desk.record(&call, orders::Answer::No).await;
    assert_eq!(desk.settle(true).await, Settling::NotYet, "a seat is free and somebody waits");
    desk.order(3).await;
    assert_eq!(desk.settle(true).await, Settling::Settled, "all are sold; who waits was too late");
    assert_eq!(desk.settle(true).await, Settling::Settled);
    let event = desk.book.event(&desk.event).await.unwrap();
    assert_eq!((event.state, event.settled_seq), (EventState::Settled, Some(9)));
    assert_eq!(desk.book.room(&event).await.unwrap(), 0);
}

pub(crate) async fn an_event_that_nobody_waits_for_settles_with_seats_unsold(store: Store) {
    let desk = Desk::open(store, 2).await;
    desk.advance_to(EventState::Closed).await;
    desk.advance_to(EventState::Settling).await;
    desk.book.note_closed(&desk.event, desk.fence, 0).await.unwrap();
    assert_eq!(desk.settle(false).await, Settling::Settled);
}

pub(crate) async fn an_event_is_not_settled_while_an_order_is_being_taken_back(store: Store) {
    let desk = Desk::open(store, 1).await;
    desk.order(1).await;
    desk.settling().await;
    desk.cancel(1).await;
    let call = desk.lease_one().await;
    assert_eq!((desk.state_of(1).await, desk.seats().await), ("undoing".into(), (0, 0, 1)));
    assert_eq!(desk.settle(true).await, Settling::NotYet, "the order service has not answered the DELETE");
    assert_eq!(desk.settle(false).await, Settling::NotYet);
    desk.record(&call, Answer::Gone).await;
    assert_eq!(desk.settle(true).await, Settling::NotYet, "the seat is for the next number");
    desk.order(2).await;
    assert_eq!(desk.settle(true).await, Settling::Settled);
}

pub(crate) async fn an_event_is_not_settled_before_an_operator_ended_who_is_parked(store: Store) {
    let desk = Desk::open(store, 2).await;
    desk.order(1).await;
    desk.take([2]).await;
    desk.park(&[2]).await;
    desk.cancel(1).await;
    desk.park(&[1]).await;
    desk.settling().await;
    assert_eq!(desk.settle(false).await, Settling::NotYet, "1 keeps a seat that is sold, 2 one that is held");
    for n in [2, 1] {
        desk.book.end_parked(&desk.event, key(n), EndParked::Reject, KIM).await.unwrap().unwrap();
        assert_eq!(desk.settle(false).await, Settling::NotYet);
        let call = desk.lease_one().await;
        desk.record(&call, Answer::Gone).await;
    }
    assert_eq!((desk.seats().await, desk.settle(false).await), ((2, 0, 0), Settling::Settled));
}
