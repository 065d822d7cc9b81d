//! Recovery after the queue lost applications: what admission waits for.

use domain::{Epoch, NO_JOURNAL};
use ledger::{Change, ChangedBy, EventRow, JournalReport};

use crate::harness::{LedgerHarness, NOON, Store};

const GRACE: i64 = 60_000;

fn report(id: &str, replayed: u32) -> JournalReport {
    JournalReport { id: id.into(), replayed: Epoch(replayed) }
}

async fn record(harness: &LedgerHarness, reports: &[JournalReport]) -> EventRow {
    harness.ledger.record_journals(&harness.event, harness.fence, reports).await.unwrap()
}

async fn lose(harness: &LedgerHarness, epoch: u32) -> EventRow {
    harness.ledger.record_loss(&harness.event, harness.fence, Epoch(epoch), 0, GRACE).await.unwrap();
    harness.now().await
}

pub(crate) async fn a_loss_waits_for_every_registered_journal(store: Store) {
    let harness = LedgerHarness::open(store, 3).await;
    assert_eq!(record(&harness, &[report("a", 0), report("b", 0)]).await.journals_missing, 0);
    let event = lose(&harness, 2).await;
    assert!(event.is_recovering());
    assert_eq!(
        (event.journals_missing, event.recover_until),
        (2, NOON),
        "journals have it all, so no time for receipts"
    );
    assert_eq!(record(&harness, &[report("b", 2)]).await.journals_missing, 1);
    assert_eq!(harness.ledger.missing_journals(&harness.event).await.unwrap(), ["a"]);
    // A process that starts for the first time has nothing from before the loss.
    assert_eq!(record(&harness, &[report("new", 0), report("b", 0)]).await.journals_missing, 1);
    assert_eq!(record(&harness, &[report("a", 2)]).await.journals_missing, 0);
    assert!(harness.now().await.is_recovering(), "until the leader ends it");
    harness.ledger.end_recovery(&harness.event, harness.fence, Epoch(2)).await.unwrap();
    assert!(!harness.now().await.is_recovering());
    // At the next loss the new one counts as well.
    assert_eq!(lose(&harness, 3).await.journals_missing, 3);
}

pub(crate) async fn a_loss_waits_for_receipts_where_a_process_has_no_journal(store: Store) {
    let harness = LedgerHarness::open(store, 3).await;
    assert_eq!(lose(&harness, 2).await.recover_until, NOON + GRACE, "no journal is known");
    harness.ledger.end_recovery(&harness.event, harness.fence, Epoch(2)).await.unwrap();
    harness.clock.advance(GRACE);
    record(&harness, &[report("a", 2), report(NO_JOURNAL, 0)]).await;
    let event = lose(&harness, 3).await;
    assert_eq!((event.journals_missing, event.recover_until), (1, NOON + 2 * GRACE));
}

pub(crate) async fn an_arming_is_judged_once(store: Store) {
    let harness = LedgerHarness::open(store, 3).await;
    let (ledger, event, fence) = (&harness.ledger, &harness.event, harness.fence);
    ledger.record_whole(event, fence, Epoch(4), 0).await.unwrap();
    assert_eq!((harness.now().await.judged_epoch, harness.now().await.lost_epoch), (Epoch(4), Epoch(0)));
    // A leader that was delayed decides nothing about an epoch that is judged.
    let late = lose(&harness, 4).await;
    assert!(!late.is_recovering(), "{late:?}");
    assert_eq!(lose(&harness, 5).await.lost_epoch, Epoch(5));
    ledger.record_whole(event, fence, Epoch(5), 0).await.unwrap();
    assert!(harness.now().await.is_recovering());
}

pub(crate) async fn a_settled_event_waits_for_no_journal(store: Store) {
    let harness = LedgerHarness::open(store, 1).await;
    record(&harness, &[report("a", 0)]).await;
    let (url, schema) = harness.address();
    let settle = format!("UPDATE {schema}event SET state = 'settled', settled_seq = 0");
    crate::harness::execute_sql(&url, &settle).await.unwrap();
    let event = lose(&harness, 2).await;
    assert_eq!((event.is_recovering(), event.journals_missing), (false, 0));
}

pub(crate) async fn an_accepted_recovery_gives_missing_journals_up_until_they_are_back(store: Store) {
    let harness = LedgerHarness::open(store, 3).await;
    record(&harness, &[report("a", 0), report("gone", 0)]).await;
    lose(&harness, 2).await;
    record(&harness, &[report("a", 2)]).await;
    let by = ChangedBy { actor: "kim", reason: "its disk is broken" };
    let accepted = harness.ledger.change(&harness.event, None, &Change::AcceptRecovery, by).await.unwrap();
    let audit = accepted.change.unwrap();
    assert_eq!((&audit.before["journals_missing"], &audit.after["journals_missing"]), (&1.into(), &0.into()));
    assert_eq!(harness.ledger.missing_journals(&harness.event).await.unwrap(), [""; 0]);
    harness.ledger.end_recovery(&harness.event, harness.fence, Epoch(2)).await.unwrap();
    assert_eq!(lose(&harness, 3).await.journals_missing, 1, "the next loss does not wait for it either");
    // Its disk was mended: it is replayed, and counts again.
    assert_eq!(record(&harness, &[report("gone", 3), report("a", 3)]).await.journals_missing, 0);
    assert_eq!(lose(&harness, 4).await.journals_missing, 2);
}
