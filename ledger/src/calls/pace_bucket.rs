//! The token bucket of an event's pace, stored in the event's row.

use domain::{Bucket, EventId, EventSettings, Millis, Release};
use sqlx::any::AnyRow;

use crate::store::column::int;
use crate::store::error::Error;
use crate::store::transaction::Tx;
use crate::tables::event::settings;

/// Reads the bucket of an event.
pub(crate) fn read_bucket(row: &AnyRow) -> Result<Bucket, Error> {
    Ok(Bucket { tokens: int(row, "tokens")?, refilled_at: int(row, "refilled_at")? })
}

/// Stores the bucket of an event, which is locked.
pub(crate) async fn save_bucket(tx: &mut Tx, event: &EventId, bucket: Bucket) -> Result<(), Error> {
    sqlx::query("UPDATE event SET tokens = $2, refilled_at = $3 WHERE id = $1")
        .bind(event.as_str())
        .bind(bucket.tokens)
        .bind(bucket.refilled_at)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Keeps the pace exact over a change of settings: tokens until now count at the old pace, and an event that resumes starts with an
/// empty bucket.
pub(crate) async fn fit_bucket(
    tx: &mut Tx,
    row: &AnyRow,
    next: &EventSettings,
    now: Millis,
) -> Result<(), Error> {
    let before = settings(row)?;
    if before.release == Release::Paused || next.release == Release::Paused {
        return save_bucket(tx, &next.id, Bucket::empty(now)).await;
    }
    if before.pace == next.pace {
        return Ok(());
    }
    save_bucket(tx, &next.id, read_bucket(row)?.refilled(before.pace, now)).await
}
