//! Rows of the table `journal`.

use domain::{Epoch, EventId, Millis, NO_JOURNAL};
use sqlx::AnyExecutor;

use crate::store::column::{int, text};
use crate::store::error::Error;
use crate::store::transaction::Tx;
use crate::tables::event::EventRow;

/// A journal as the queue reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalReport {
    /// Its id, or [`NO_JOURNAL`].
    pub id: String,
    /// The last loss that it was replayed for.
    pub replayed: Epoch,
}

/// A journal that the ledger knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredJournal {
    /// Its id, or [`NO_JOURNAL`].
    pub id: String,
    /// Whether a recovery waits for it. One that was given up is not awaited until it is back.
    pub is_awaited: bool,
}

/// Returns all journals of the event.
pub(crate) async fn all(db: impl AnyExecutor<'_>, event: &EventId) -> Result<Vec<RegisteredJournal>, Error> {
    let rows = sqlx::query("SELECT id, awaited FROM journal WHERE event = $1")
        .bind(event.as_str())
        .fetch_all(db)
        .await?;
    let journal = |row| Ok(RegisteredJournal { id: text(row, "id")?, is_awaited: int(row, "awaited")? == 1 });
    rows.iter().map(journal).collect()
}

/// Registers the journal if it is new, and records which loss it was replayed for. A new one has nothing from before the last loss.
/// One that was given up is awaited again once it is back.
pub(crate) async fn record(
    tx: &mut Tx,
    event: &EventRow,
    report: &JournalReport,
    now: Millis,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO journal (event, id, registered_at, replayed_epoch, awaited) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (event, id) DO UPDATE SET
             replayed_epoch = CASE WHEN journal.replayed_epoch < $6 THEN $6 ELSE journal.replayed_epoch END,
             awaited = CASE WHEN $6 >= $4 THEN $5 ELSE journal.awaited END",
    )
    .bind(event.settings.id.as_str())
    .bind(&report.id)
    .bind(now)
    .bind(i64::from(event.lost_epoch.0))
    .bind(i64::from(report.id != NO_JOURNAL))
    .bind(i64::from(report.replayed.0))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Counts the missing journals, and keeps the count in the event.
pub(crate) async fn count_missing(tx: &mut Tx, event: &EventId) -> Result<u32, Error> {
    let missing = u32::try_from(missing(&mut **tx, event).await?.len()).unwrap_or(u32::MAX);
    sqlx::query("UPDATE event SET journals_missing = $2 WHERE id = $1")
        .bind(event.as_str())
        .bind(i64::from(missing))
        .execute(&mut **tx)
        .await?;
    Ok(missing)
}

/// Awaits the missing journals no longer.
pub(crate) async fn give_up_missing(tx: &mut Tx, event: &EventId) -> Result<(), Error> {
    sqlx::query(
        "UPDATE journal SET awaited = 0
         WHERE event = $1 AND replayed_epoch < (SELECT lost_epoch FROM event WHERE id = $1)",
    )
    .bind(event.as_str())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Returns the ids of the missing journals, in order.
pub(crate) async fn missing(db: impl AnyExecutor<'_>, event: &EventId) -> Result<Vec<String>, Error> {
    let rows = sqlx::query(
        "SELECT id FROM journal WHERE event = $1 AND awaited = 1
         AND replayed_epoch < (SELECT lost_epoch FROM event WHERE id = $1) ORDER BY id",
    )
    .bind(event.as_str())
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| text(row, "id")).collect()
}
