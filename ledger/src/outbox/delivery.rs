//! The delivery of domain events to one target. The cursor says what the target has acknowledged.

use domain::{DomainEvent, EventId, Millis};

use crate::store::column::{count, int};
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::store::transaction::Tx;
use crate::tables::outbox::from_row;

/// The cursor of a target in the outbox of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxCursor {
    /// The number of the last acknowledged domain event.
    pub seq: i64,
    /// Attempts that failed since the last acknowledgement.
    pub failures: u32,
    /// When the next attempt may start, by the ledger's time.
    pub next_try_at: Millis,
}

impl Ledger {
    /// Returns the cursor of a target; `None` if it is new to this event.
    pub async fn outbox_cursor(&self, target: &str, event: &EventId) -> Result<Option<OutboxCursor>, Error> {
        let row = sqlx::query(
            "SELECT seq, failures, next_try_at FROM outbox_cursor WHERE target = $1 AND event = $2",
        )
        .bind(target)
        .bind(event.as_str())
        .fetch_optional(self.reader())
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(OutboxCursor {
            seq: int(&row, "seq")?,
            failures: count(&row, "failures")?,
            next_try_at: int(&row, "next_try_at")?,
        }))
    }

    /// Returns the domain events behind this number, in order, at most `max`.
    pub async fn domain_events_after(
        &self,
        event: &EventId,
        seq: i64,
        max: u32,
    ) -> Result<Vec<DomainEvent>, Error> {
        let rows = sqlx::query("SELECT * FROM outbox WHERE event = $1 AND seq > $2 ORDER BY seq LIMIT $3")
            .bind(event.as_str())
            .bind(seq)
            .bind(i64::from(max))
            .fetch_all(self.reader())
            .await?;
        rows.iter().map(|row| from_row(event, row)).collect()
    }

    /// Records that a target acknowledged all domain events behind `from` up to `to`. Returns whether the cursor was still at `from`:
    /// another leader or a replay may have moved it, and then the caller reads it again.
    pub async fn acknowledge_domain_events(
        &self,
        target: &str,
        event: &EventId,
        from: i64,
        to: i64,
    ) -> Result<bool, Error> {
        let mut tx = self.begin().await?;
        let moved = move_cursor(&mut tx, target, event, from, to).await?;
        tx.commit().await?;
        Ok(moved)
    }

    /// Records that a target did not acknowledge, and when it is tried again.
    pub async fn record_target_failure(
        &self,
        target: &str,
        event: &EventId,
        error: &str,
        retry_in_ms: Millis,
    ) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let now = self.now(&mut tx).await?;
        sqlx::query(
            "UPDATE outbox_cursor SET failures = failures + 1, failing_since = COALESCE(failing_since, $3), next_try_at = $4, last_error = $5
             WHERE target = $1 AND event = $2",
        )
        .bind(target)
        .bind(event.as_str())
        .bind(now)
        .bind(now + retry_in_ms)
        .bind(error)
        .execute(&mut *tx)
        .await?;
        tx.commit().await
    }

    /// Puts a domain event that a target can never accept aside, and moves the cursor past it. All before it are acknowledged.
    /// Returns whether the cursor was still at `from`.
    pub async fn bury_domain_event(
        &self,
        target: &str,
        event: &EventId,
        from: i64,
        seq: i64,
        error: &str,
    ) -> Result<bool, Error> {
        let mut tx = self.begin().await?;
        let now = self.now(&mut tx).await?;
        let moved = move_cursor(&mut tx, target, event, from, seq).await?;
        if moved {
            sqlx::query(
                "INSERT INTO outbox_dead (target, event, seq, at, error) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (target, event, seq) DO UPDATE SET at = $4, error = $5",
            )
            .bind(target)
            .bind(event.as_str())
            .bind(seq)
            .bind(now)
            .bind(error)
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(moved)
    }
}

/// Moves the cursor of a target, and forgets its failures. Returns whether it was where the caller expects it.
pub(crate) async fn move_cursor(
    tx: &mut Tx,
    target: &str,
    event: &EventId,
    from: i64,
    to: i64,
) -> Result<bool, Error> {
    let moved = sqlx::query(
        "UPDATE outbox_cursor SET seq = $4, failures = 0, failing_since = NULL, next_try_at = 0, last_error = NULL
         WHERE target = $1 AND event = $2 AND seq = $3",
    )
    .bind(target)
    .bind(event.as_str())
    .bind(from)
    .bind(to)
    .execute(&mut **tx)
    .await?;
    Ok(moved.rows_affected() > 0)
}

/// Reads the cursor of a target.
pub(crate) async fn cursor_seq(tx: &mut Tx, target: &str, event: &EventId) -> Result<Option<i64>, Error> {
    let row = sqlx::query("SELECT seq FROM outbox_cursor WHERE target = $1 AND event = $2")
        .bind(target)
        .bind(event.as_str())
        .fetch_optional(&mut **tx)
        .await?;
    row.map(|row| int(&row, "seq")).transpose()
}
