//! Parked applications: an operator retries or rejects each.

use domain::Outcome;
use ledger::{CallResult, OpenApplications, OrderResponse};
use serde_json::json;

use crate::changing::KIM;
use crate::harness::{LedgerHarness, Store, key};

pub(crate) async fn a_retried_application_may_already_have_an_order(store: Store) {
    let harness = LedgerHarness::open(store, 3).await;
    harness.admit(1..=3).await;
    harness.park(&[1, 2]).await;
    let parked = harness.ledger.parked(&harness.event, 10).await.unwrap();
    assert_eq!(parked.iter().map(|row| row.number.get()).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(harness.ledger.parked(&harness.event, 1).await.unwrap().len(), 1);
    let rev = harness.now().await.rev;
    let end = async |n, end| harness.ledger.end_parked(&harness.event, key(n), end, KIM).await.unwrap();
    let row = end(1, ledger::EndParked::Retry).await.unwrap();
    let audited = |state: &str| json!({ "application": key(1).guid(), "number": 1, "state": state });
    assert_eq!(
        (row.action.as_str(), row.before, row.after),
        ("retry", audited("parked"), audited("ordering"))
    );
    assert_eq!((row.rev, harness.now().await.rev), (rev, rev));
    assert_eq!(end(1, ledger::EndParked::Retry).await, None, "it is no longer parked");
    assert_eq!(end(3, ledger::EndParked::Reject).await, None, "it was never parked");
    assert_eq!(end(9, ledger::EndParked::Reject).await, None, "it does not exist");
    // A rejection is not the end: one of the earlier calls may have created an order.
    let call = harness.lease_one().await;
    assert_eq!(
        (call.number.get(), harness.record(&call, OrderResponse::Rejected).await),
        (1, CallResult::Continues)
    );
    let call = harness.lease_one().await;
    assert_eq!(call.kind, ledger::CallKind::Delete);
    assert_eq!(harness.record(&call, OrderResponse::Deleted).await, CallResult::Ended(Outcome::Rejected));
    // The other application is undone, and its seat stays held until the order is deleted.
    end(2, ledger::EndParked::Reject).await.unwrap();
    assert_eq!((harness.state_of(2).await, harness.seats().await), ("undoing".into(), (1, 2, 0)));
    let call = harness.lease_one().await;
    assert_eq!((call.number.get(), call.kind), (2, ledger::CallKind::Delete));
    assert_eq!(harness.record(&call, OrderResponse::Deleted).await, CallResult::Ended(Outcome::Rejected));
    assert_eq!(
        (harness.seats().await, harness.ledger.open_applications(&harness.event).await.unwrap()),
        ((2, 1, 0), OpenApplications { called: 0, under_way: 1, parked: 0 })
    );
    assert_eq!(harness.audited().await, ["reject", "retry", "create"]);
}

pub(crate) async fn an_application_parked_while_undoing_is_still_cancelled(store: Store) {
    let harness = LedgerHarness::open(store, 1).await;
    harness.order(1).await;
    harness.cancel(1).await;
    harness.park(&[1]).await;
    harness.ledger.end_parked(&harness.event, key(1), ledger::EndParked::Reject, KIM).await.unwrap().unwrap();
    let call = harness.lease_one().await;
    assert_eq!(harness.record(&call, OrderResponse::Deleted).await, CallResult::Ended(Outcome::Cancelled));
    assert_eq!(harness.seats().await, (1, 0, 0));
}
