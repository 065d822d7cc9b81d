//! What each answer of the order service leads to.

use domain::Outcome;
use ledger::{ATTEMPTS_MAX, CallKind, CallResult, OpenApplications, OrderResponse};

use crate::harness::{LedgerHarness, Store};

const LATER: OrderResponse = OrderResponse::Unknown { retry_in_ms: 100 };

pub(crate) async fn a_yes_sells_the_seat_and_tells_it_once(store: Store) {
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
    let shown = harness.ledger.unprojected_outcomes(&harness.event, domain::Epoch(1), 10).await.unwrap();
    assert_eq!((shown[0].outcome, shown[0].order_no.as_deref()), (Outcome::Ordered, Some("O-1")));
    harness.ledger.mark_projected(&harness.event, domain::Epoch(1), &shown).await.unwrap();
    assert!(
        harness.ledger.unprojected_outcomes(&harness.event, domain::Epoch(1), 10).await.unwrap().is_empty()
    );
    assert_eq!(
        harness.ledger.unprojected_outcomes(&harness.event, domain::Epoch(2), 10).await.unwrap().len(),
        1,
        "a new epoch shows all again"
    );
}

pub(crate) async fn a_no_to_the_one_call_frees_the_seat_for_the_next_number(store: Store) {
    let harness = LedgerHarness::open(store, 1).await;
    harness.admit([1]).await;
    let call = harness.lease_one().await;
    assert_eq!(harness.record(&call, OrderResponse::Rejected).await, CallResult::Ended(Outcome::Rejected));
    assert_eq!(harness.seats().await, (1, 0, 0));
    harness.order(2).await;
    assert_eq!(harness.state_of(2).await, "ordered");
}

pub(crate) async fn a_no_after_silence_takes_the_order_back_before_the_seat_is_free(store: Store) {
    let harness = LedgerHarness::open(store, 1).await;
    harness.admit([1]).await;
    let first = harness.lease_one().await;
    assert_eq!(harness.record(&first, LATER).await, CallResult::Continues);
    let second = harness.lease_one().await;
    assert_eq!(harness.record(&second, OrderResponse::Rejected).await, CallResult::Continues);
    assert_eq!((harness.seats().await, harness.state_of(1).await), ((0, 1, 0), "undoing".to_owned()));
    let undo = harness.lease_one().await;
    assert_eq!(undo.kind, CallKind::Delete);
    assert_eq!(harness.record(&undo, OrderResponse::Deleted).await, CallResult::Ended(Outcome::Rejected));
    assert_eq!(harness.seats().await, (1, 0, 0));
}

pub(crate) async fn silence_keeps_the_seat_and_the_same_key_is_tried_again_not_too_soon(store: Store) {
    let harness = LedgerHarness::open(store, 1).await;
    harness.admit([1]).await;
    let call = harness.lease_one().await;
    harness.record(&call, OrderResponse::Unknown { retry_in_ms: 60_000 }).await;
    assert_eq!(harness.seats().await, (0, 1, 0));
    harness.clock.advance(59_000);
    assert!(harness.ledger.lease_calls(&harness.event, 9).await.unwrap().calls.is_empty());
    let again = harness.lease_one().await;
    assert_eq!((again.app_key, again.attempts), (call.app_key, 2));
}

pub(crate) async fn a_410_to_a_put_that_nobody_took_back_is_no_answer(store: Store) {
    let harness = LedgerHarness::open(store, 1).await;
    harness.admit([1]).await;
    let call = harness.lease_one().await;
    assert_eq!(harness.record(&call, OrderResponse::Deleted).await, CallResult::Continues);
    assert_eq!(harness.seats().await, (0, 1, 0));
}

pub(crate) async fn poison_is_parked_with_its_seat_and_holds_nobody_up(store: Store) {
    let harness = LedgerHarness::open(store, 2).await;
    harness.admit([1]).await;
    for _ in 1..ATTEMPTS_MAX {
        let call = harness.lease_one().await;
        assert_eq!(harness.record(&call, LATER).await, CallResult::Continues);
    }
    let call = harness.lease_one().await;
    assert_eq!(harness.record(&call, LATER).await, CallResult::Parked);
    assert_eq!((harness.seats().await, harness.state_of(1).await), ((1, 1, 0), "parked".to_owned()));
    assert_eq!(
        harness.ledger.open_applications(&harness.event).await.unwrap(),
        OpenApplications { under_way: 0, parked: 1 }
    );
    harness.order(2).await;
    assert_eq!(harness.domain_events().await, ["application.ordered", "application.parked"]);
}

pub(crate) async fn the_embedded_order_service_keeps_the_contract_it_asks_of_others(store: Store) {
    let harness = LedgerHarness::open(store, 1).await;
    let (ledger, event, key) = (&harness.ledger, &harness.event, crate::harness::key(1));
    let number = domain::Number::new(1).unwrap();
    let made = ledger.put_order(event, key, number).await.unwrap();
    assert_eq!(made, OrderResponse::Created("SPRING-000001".into()));
    assert_eq!(ledger.put_order(event, key, number).await.unwrap(), made, "a repeated PUT is one order");
    assert_eq!(ledger.delete_order(event, key).await.unwrap(), OrderResponse::Deleted);
    assert_eq!(ledger.delete_order(event, key).await.unwrap(), OrderResponse::Deleted);
    assert_eq!(
        ledger.put_order(event, key, number).await.unwrap(),
        OrderResponse::Deleted,
        "nothing behind a tombstone"
    );
    assert_eq!(
        ledger.delete_order(event, crate::harness::key(2)).await.unwrap(),
        OrderResponse::Deleted,
        "even if there was no order"
    );
}
