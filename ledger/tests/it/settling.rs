//! Closing and settling.

use domain::{EventState, Fence};
use ledger::{EndParked, Error, OrderResponse, SettleResult};

use crate::changing::KIM;
use crate::harness::{LedgerHarness, Store, key};

impl LedgerHarness {
    async fn advance_to(&self, state: EventState) {
        self.ledger.advance(&self.event, self.fence, state).await.unwrap();
    }
    async fn state(&self) -> EventState {
        self.ledger.event(&self.event).await.unwrap().state
    }
    /// Takes the event to settling, with 9 as its last number.
    async fn start_settling(&self) {
        self.advance_to(EventState::Closed).await;
        self.advance_to(EventState::Settling).await;
        self.ledger.record_closed_seq(&self.event, self.fence, 9).await.unwrap();
    }
    async fn settle(&self, applications_wait: bool) -> SettleResult {
        self.ledger.settle(&self.event, self.fence, u32::from(applications_wait)).await.unwrap()
    }
}

pub(crate) async fn an_event_only_moves_forward_with_one_domain_event_a_state(store: Store) {
    let harness = LedgerHarness::open(store, 1).await;
    for to in
        [EventState::Open, EventState::Closed, EventState::Open, EventState::Closed, EventState::Scheduled]
    {
        harness.advance_to(to).await;
    }
    assert_eq!(harness.state().await, EventState::Closed);
    assert_eq!(harness.domain_events().await, ["event.closed", "event.opened"]);
    let late = harness.ledger.advance(&harness.event, Fence(harness.fence.0 - 1), EventState::Settling).await;
    assert!(matches!(late, Err(Error::Lost)));
}

pub(crate) async fn an_event_settles_once_all_applications_ended_and_no_seat_is_wanted(store: Store) {
    let harness = LedgerHarness::open(store, 2).await;
    harness.order(1).await;
    harness.admit([2]).await;
    harness.advance_to(EventState::Closed).await;
    harness.advance_to(EventState::Settling).await;
    assert_eq!(harness.settle(false).await, SettleResult::NotYet, "the queue has not closed");
    harness.ledger.record_closed_seq(&harness.event, harness.fence, 9).await.unwrap();
    assert_eq!(harness.settle(true).await, SettleResult::NotYet, "a seat is held");
    let call = harness.lease_one().await;
    harness.record(&call, ledger::OrderResponse::Rejected).await;
    assert_eq!(harness.settle(true).await, SettleResult::NotYet, "a seat is free and an application waits");
    harness.order(3).await;
    assert_eq!(
        harness.settle(true).await,
        SettleResult::Settled,
        "all seats are sold; the waiting applications are sold out"
    );
    assert_eq!(harness.settle(true).await, SettleResult::Settled);
    let event = harness.ledger.event(&harness.event).await.unwrap();
    assert_eq!((event.state, event.settled_seq), (EventState::Settled, Some(9)));
    assert_eq!(harness.ledger.admissible(&event).await.unwrap(), 0);
}

pub(crate) async fn an_event_without_waiting_applications_settles_with_free_seats(store: Store) {
    let harness = LedgerHarness::open(store, 2).await;
    harness.advance_to(EventState::Closed).await;
    harness.advance_to(EventState::Settling).await;
    harness.ledger.record_closed_seq(&harness.event, harness.fence, 0).await.unwrap();
    assert_eq!(harness.settle(false).await, SettleResult::Settled);
}

pub(crate) async fn an_event_is_not_settled_while_an_order_is_being_undone(store: Store) {
    let harness = LedgerHarness::open(store, 1).await;
    harness.order(1).await;
    harness.start_settling().await;
    harness.cancel(1).await;
    let call = harness.lease_one().await;
    assert_eq!((harness.state_of(1).await, harness.seats().await), ("undoing".into(), (0, 0, 1)));
    assert_eq!(
        harness.settle(true).await,
        SettleResult::NotYet,
        "the order service has not answered the DELETE"
    );
    assert_eq!(harness.settle(false).await, SettleResult::NotYet);
    harness.record(&call, OrderResponse::Deleted).await;
    assert_eq!(harness.settle(true).await, SettleResult::NotYet, "the seat is for the next number");
    harness.order(2).await;
    assert_eq!(harness.settle(true).await, SettleResult::Settled);
}

pub(crate) async fn an_event_is_not_settled_while_an_application_is_parked(store: Store) {
    let harness = LedgerHarness::open(store, 2).await;
    harness.order(1).await;
    harness.admit([2]).await;
    harness.park(&[2]).await;
    harness.cancel(1).await;
    harness.park(&[1]).await;
    harness.start_settling().await;
    assert_eq!(
        harness.settle(false).await,
        SettleResult::NotYet,
        "number 1 keeps a sold seat, number 2 a held one"
    );
    for n in [2, 1] {
        harness.ledger.end_parked(&harness.event, key(n), EndParked::Reject, KIM).await.unwrap().unwrap();
        assert_eq!(harness.settle(false).await, SettleResult::NotYet);
        let call = harness.lease_one().await;
        harness.record(&call, OrderResponse::Deleted).await;
    }
    assert_eq!((harness.seats().await, harness.settle(false).await), ((2, 0, 0), SettleResult::Settled));
}
