//! Recording responses of the order service.

use domain::Outcome;
use ledger::{ATTEMPTS_MAX, CallKind, CallResult, OpenApplications, OrderResponse};

use crate::harness::{LedgerHarness, Store};

const UNKNOWN: OrderResponse = OrderResponse::Unknown { retry_in_ms: 100 };

pub(crate) async fn a_created_order_sells_the_seat_and_posts_one_domain_event(store: Store) {
    let harness = LedgerHarness::open(store, 2).await;
    harness.admit([1]).await;
    let call = harness.lease_one().await;
    assert_eq!(
        harness.record(&call, OrderResponse::Created("O-1".into())).await,
        CallResult::Ended(Outcome::Ordered)
    );
    assert_eq!(harness.record(&call, OrderResponse::Created("O-1".into())).await, CallResult::Stale);
    assert_eq!(
        (harness.seats().await, harness.domain_events().await),
        ((1, 0, 1), vec!["application.ordered".to_owned()])
    );
    let outcomes = harness.ledger.unprojected_outcomes(&harness.event, domain::Epoch(1), 10).await.unwrap();
    assert_eq!((outcomes[0].outcome, outcomes[0].order_no.as_deref()), (Outcome::Ordered, Some("O-1")));
    harness.ledger.mark_projected(&harness.event, domain::Epoch(1), &outcomes).await.unwrap();
    assert!(
        harness.ledger.unprojected_outcomes(&harness.event, domain::Epoch(1), 10).await.unwrap().is_empty()
    );
    assert_eq!(
        harness.ledger.unprojected_outcomes(&harness.event, domain::Epoch(2), 10).await.unwrap().len(),
        1,
        "a new epoch gets all outcomes again"
    );
}

pub(crate) async fn a_rejection_of_the_only_call_frees_the_seat(store: Store) {
    let harness = LedgerHarness::open(store, 1).await;
    harness.admit([1]).await;
    let call = harness.lease_one().await;
    assert_eq!(harness.record(&call, OrderResponse::Rejected).await, CallResult::Ended(Outcome::Rejected));
    assert_eq!(harness.seats().await, (1, 0, 0));
    harness.order(2).await;
    assert_eq!(harness.state_of(2).await, "ordered");
}

pub(crate) async fn a_rejection_after_an_unknown_response_undoes_the_order_first(store: Store) {
    let harness = LedgerHarness::open(store, 1).await;
    harness.admit([1]).await;
    let first = harness.lease_one().await;
    assert_eq!(harness.record(&first, UNKNOWN).await, CallResult::Continues);
    let second = harness.lease_one().await;
    assert_eq!(harness.record(&second, OrderResponse::Rejected).await, CallResult::Continues);
    assert_eq!((harness.seats().await, harness.state_of(1).await), ((0, 1, 0), "undoing".to_owned()));
    let undo = harness.lease_one().await;
    assert_eq!(undo.kind, CallKind::Delete);
    assert_eq!(harness.record(&undo, OrderResponse::Deleted).await, CallResult::Ended(Outcome::Rejected));
    assert_eq!(harness.seats().await, (1, 0, 0));
}

pub(crate) async fn an_unknown_response_keeps_the_seat_and_delays_the_retry(store: Store) {
    let harness = LedgerHarness::open(store, 1).await;
    harness.admit([1]).await;
    let call = harness.lease_one().await;
    harness.record(&call, OrderResponse::Unknown { retry_in_ms: 60_000 }).await;
    assert_eq!(harness.seats().await, (0, 1, 0));
    harness.clock.advance(59_000);
    assert!(harness.ledger.lease_calls(&harness.event, 9).await.unwrap().calls.is_empty());
    let retry = harness.lease_one().await;
    assert_eq!((retry.app_key, retry.attempts), (call.app_key, 2));
}

pub(crate) async fn a_410_to_a_put_without_a_delete_is_not_definite(store: Store) {
    let harness = LedgerHarness::open(store, 1).await;
    harness.admit([1]).await;
    let call = harness.lease_one().await;
    assert_eq!(harness.record(&call, OrderResponse::Deleted).await, CallResult::Continues);
    assert_eq!(harness.seats().await, (0, 1, 0));
}

pub(crate) async fn a_call_that_never_succeeds_is_parked_and_delays_no_other(store: Store) {
    let harness = LedgerHarness::open(store, 2).await;
    harness.admit([1]).await;
    for _ in 1..ATTEMPTS_MAX {
        let call = harness.lease_one().await;
        assert_eq!(harness.record(&call, UNKNOWN).await, CallResult::Continues);
    }
    let call = harness.lease_one().await;
    assert_eq!(harness.record(&call, UNKNOWN).await, CallResult::Parked);
    assert_eq!((harness.seats().await, harness.state_of(1).await), ((1, 1, 0), "parked".to_owned()));
    assert_eq!(
        harness.ledger.open_applications(&harness.event).await.unwrap(),
        OpenApplications { called: 0, under_way: 0, parked: 1 }
    );
    harness.order(2).await;
    assert_eq!(harness.domain_events().await, ["application.ordered", "application.parked"]);
}

pub(crate) async fn the_embedded_order_service_keeps_the_order_contract(store: Store) {
    let harness = LedgerHarness::open(store, 1).await;
    let (ledger, event, key) = (&harness.ledger, &harness.event, crate::harness::key(1));
    let number = domain::Number::new(1).unwrap();
    let created = ledger.put_order(event, key, number).await.unwrap();
    assert_eq!(created, OrderResponse::Created("SPRING-000001".into()));
    assert_eq!(
        ledger.put_order(event, key, number).await.unwrap(),
        created,
        "a repeated PUT creates one order"
    );
    assert_eq!(ledger.delete_order(event, key).await.unwrap(), OrderResponse::Deleted);
    assert_eq!(ledger.delete_order(event, key).await.unwrap(), OrderResponse::Deleted);
    assert_eq!(
        ledger.put_order(event, key, number).await.unwrap(),
        OrderResponse::Deleted,
        "no order is created after a tombstone"
    );
    assert_eq!(
        ledger.delete_order(event, crate::harness::key(2)).await.unwrap(),
        OrderResponse::Deleted,
        "a DELETE without an order leaves a tombstone"
    );
}
