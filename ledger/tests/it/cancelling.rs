//! Requests to cancel, in each state of the application.

use ledger::{CallKind, CallResult, Error, InboxRequest, OrderResponse, QueueReading};

use crate::harness::{LedgerHarness, Store, cancel_request, candidates, key};

impl LedgerHarness {
    async fn handle_inbox(&self, requests: &[InboxRequest]) {
        let through = requests.last().unwrap().id;
        self.ledger.handle_inbox(&self.event, self.fence, requests, through, 0).await.unwrap();
    }
}

pub(crate) async fn an_application_withdrawn_before_admission_gets_no_seat(store: Store) {
    let harness = LedgerHarness::open(store, 1).await;
    harness.handle_inbox(&[cancel_request(1, 7)]).await;
    assert_eq!((harness.state_of(7).await.as_str(), harness.seats().await), ("cancelled", (1, 0, 0)));
    assert_eq!(harness.admit([7]).await.seated, 0, "the ledger knows it and gives it no seat");
    assert_eq!(harness.ledger.event(&harness.event).await.unwrap().inbox_through, 1);
}

pub(crate) async fn a_request_is_handled_once_even_if_read_again(store: Store) {
    let harness = LedgerHarness::open(store, 1).await;
    harness.order(1).await;
    harness.handle_inbox(&[cancel_request(1, 1), cancel_request(2, 1)]).await;
    harness.handle_inbox(&[cancel_request(1, 1), cancel_request(2, 1)]).await;
    let undo = harness.lease_one().await;
    assert_eq!(undo.kind, CallKind::Delete);
    assert!(harness.ledger.lease_calls(&harness.event, 9).await.unwrap().calls.is_empty());
}

pub(crate) async fn a_cancel_before_the_first_known_order_call_deletes_first(store: Store) {
    let harness = LedgerHarness::open(store, 1).await;
    harness.admit([1]).await;
    harness.handle_inbox(&[cancel_request(1, 1)]).await;
    assert_eq!(harness.seats().await, (0, 1, 0), "a ledger that was put back knows of no call");
    let undo = harness.lease_one().await;
    assert_eq!(undo.kind, CallKind::Delete);
    harness.record(&undo, OrderResponse::Deleted).await;
    assert_eq!((harness.state_of(1).await.as_str(), harness.seats().await), ("cancelled", (1, 0, 0)));
}

pub(crate) async fn a_cancel_during_an_order_call_undoes_the_order_first(store: Store) {
    let harness = LedgerHarness::open(store, 1).await;
    harness.admit([1]).await;
    let call = harness.lease_one().await;
    harness.handle_inbox(&[cancel_request(1, 1)]).await;
    assert_eq!(harness.record(&call, OrderResponse::Created("O-1".into())).await, CallResult::Stale);
    assert_eq!(harness.seats().await, (0, 1, 0), "an order may exist");
    let undo = harness.lease_one().await;
    harness.record(&undo, OrderResponse::Deleted).await;
    assert_eq!((harness.state_of(1).await.as_str(), harness.seats().await), ("cancelled", (1, 0, 0)));
}

pub(crate) async fn a_cancelled_order_stays_ordered_until_it_is_deleted(store: Store) {
    let harness = LedgerHarness::open(store, 1).await;
    harness.order(1).await;
    harness.handle_inbox(&[cancel_request(1, 1)]).await;
    let row = harness.ledger.applications(&harness.event, 0, 1).await.unwrap().remove(0);
    assert_eq!((row.state.as_str(), row.outcome), ("undoing", Some(domain::Outcome::Ordered)));
    let undo = harness.lease_one().await;
    harness.record(&undo, OrderResponse::Deleted).await;
    assert_eq!(
        harness.domain_events().await,
        ["application.cancel_requested", "application.cancelled", "application.ordered"]
    );
    harness.order(2).await;
    assert_eq!(harness.seats().await, (0, 0, 1));
}

pub(crate) async fn a_cancel_of_a_rejected_application_changes_nothing(store: Store) {
    let harness = LedgerHarness::open(store, 1).await;
    harness.admit([1]).await;
    let call = harness.lease_one().await;
    harness.record(&call, OrderResponse::Rejected).await;
    harness.handle_inbox(&[cancel_request(1, 1)]).await;
    assert_eq!(harness.state_of(1).await, "rejected");
}

pub(crate) async fn a_request_that_contradicts_the_ledger_freezes_the_event(store: Store) {
    let harness = LedgerHarness::open(store, 2).await;
    harness.admit([1]).await;
    let other = InboxRequest { app_key: key(9), ..cancel_request(1, 1) };
    let frozen = harness.ledger.handle_inbox(&harness.event, harness.fence, &[other], 1, 0).await;
    assert!(matches!(frozen, Err(Error::Frozen(_))));
    assert!(matches!(
        harness.ledger.admit(&harness.event, harness.fence, &candidates([2]), QueueReading::default()).await,
        Err(Error::Frozen(_))
    ));
}
