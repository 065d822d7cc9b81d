//! The audit: its order and its pages.

use ledger::{AuditCursor, Change};

use crate::changing::{HOUR, KIM};
use crate::harness::{LedgerHarness, NOON, Store};

pub(crate) async fn the_audit_is_paged_newest_first(store: Store) {
    let harness = LedgerHarness::open(store, 3).await;
    // All changes happen within one millisecond of the ledger's clock.
    for n in 1..=4 {
        harness.changed(Change::InFlightMax(n)).await;
        let to = format!("event-{n}").parse().unwrap();
        harness.ledger.clone_event(&harness.event, to, NOON + HOUR, NOON + 2 * HOUR, KIM).await.unwrap();
    }
    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let page = harness.ledger.audit(None, before, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(AuditCursor { at: last.at, rev: last.rev });
        seen.extend(page.into_iter().map(|row| format!("{} {} {}", row.event, row.action.as_str(), row.rev)));
    }
    let expected = [
        "event-4 clone 1",
        "spring in_flight_max 5",
        "event-3 clone 1",
        "spring in_flight_max 4",
        "event-2 clone 1",
        "spring in_flight_max 3",
        "event-1 clone 1",
        "spring in_flight_max 2",
        "spring create 1",
    ];
    assert_eq!(seen, expected);
    assert_eq!(harness.audited().await.len(), 5);
}

pub(crate) async fn concurrent_changes_have_rising_audit_times(store: Store) {
    let harness = LedgerHarness::open(store, 1).await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 1..=10 {
        let (ledger, event, to) =
            (harness.ledger.clone(), harness.event.clone(), format!("event-{n}").parse().unwrap());
        tasks.spawn(async move {
            ledger.clone_event(&event, to, NOON + HOUR, NOON + 2 * HOUR, KIM).await.unwrap()
        });
    }
    tasks.join_all().await;
    let mut times: Vec<_> =
        harness.ledger.audit(None, None, 100).await.unwrap().iter().map(|row| row.at).collect();
    assert!(times.is_sorted_by(|newer, older| newer > older), "{times:?}");
    times.dedup();
    assert_eq!(times.len(), 11);
}
