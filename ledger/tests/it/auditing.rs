//! The audit: its order and its pages.

use ledger::{AuditCursor, AuditRow, Change};

use crate::changing::{HOUR, KIM};
use crate::harness::{LedgerHarness, NOON, Store, execute_sql};

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
        let shown = |row: AuditRow| format!("{} {} {}", row.event.unwrap(), row.action.as_str(), row.rev);
        seen.extend(page.into_iter().map(shown));
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

/// A ledger with seven rows in its audit.
async fn audited(store: Store) -> LedgerHarness {
    let harness = LedgerHarness::open(store, 3).await;
    for n in 1..=6 {
        harness.changed(Change::InFlightMax(n)).await;
    }
    harness
}

/// The times of the rows that break the chain, and how many rows there are, after running `sql` on the audit.
async fn broken_after(harness: &LedgerHarness, sql: &str) -> (Vec<i64>, u64) {
    let (url, schema) = harness.address();
    execute_sql(&url, &sql.replace("audit", &format!("{schema}audit"))).await.unwrap();
    let chain = harness.ledger.check_audit(&[]).await.unwrap();
    assert_eq!(chain.broken, chain.listed.len() as u64);
    (chain.listed.iter().map(|link| link.at).collect(), chain.rows)
}

pub(crate) async fn a_changed_or_removed_audit_row_breaks_the_chain(store: Store) {
    let harness = audited(store).await;
    let at: Vec<i64> =
        harness.ledger.audit(None, None, 9).await.unwrap().iter().rev().map(|row| row.at).collect();
    assert_eq!(broken_after(&harness, "SELECT 1 FROM audit").await, (vec![], 7));

    let forged = format!("UPDATE audit SET actor = 'lee' WHERE at = {}", at[2]);
    assert_eq!(broken_after(&harness, &forged).await, (vec![at[2]], 7));
    let honest = format!("UPDATE audit SET actor = 'kim' WHERE at = {}", at[2]);
    assert_eq!(broken_after(&harness, &honest).await, (vec![], 7));

    let removed = format!("DELETE FROM audit WHERE at = {}", at[4]);
    assert_eq!(broken_after(&harness, &removed).await, (vec![at[5]], 6));
}

pub(crate) async fn a_kept_hash_shows_that_the_end_of_the_audit_was_removed(store: Store) {
    let harness = audited(store).await;
    let before = harness.ledger.check_audit(&[]).await.unwrap();
    harness.changed(Change::InFlightMax(9)).await;
    let kept = [before.head.clone()];
    assert!(harness.ledger.check_audit(&kept).await.unwrap().is_whole());

    let newest = format!("DELETE FROM audit WHERE at >= {}", before.head_at);
    assert_eq!(broken_after(&harness, &newest).await, (vec![], 6));
    let cut = harness.ledger.check_audit(&kept).await.unwrap();
    assert_eq!((cut.is_whole(), cut.missing), (false, kept.to_vec()));
}
