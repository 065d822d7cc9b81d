//! Deletion of old domain events of settled events.

use domain::{EventId, EventState, Millis};

use crate::store::column::int;
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::tables::event::{EventRow, lock_known_event};

/// Rows that one transaction deletes.
const STEP: i64 = 5000;

impl Ledger {
    /// Deletes domain events of a settled event that every target has acknowledged, once nothing has happened for `keep_ms`. Their
    /// webhook deliveries are deleted too, in whatever state they are: what an endpoint did not take by then, it never gets. One step;
    /// returns how many domain events it deleted.
    pub async fn purge_domain_events(&self, event: &EventId, keep_ms: Millis) -> Result<u64, Error> {
        let mut tx = self.begin().await?;
        let locked = EventRow::from_row(&lock_known_event(&mut tx, event).await?)?;
        let now = self.now(&mut tx).await?;
        if locked.state != EventState::Settled {
            return Ok(0);
        }
        let row = sqlx::query(
            "SELECT COALESCE((SELECT MAX(at) FROM outbox WHERE event = $1), 0) AS last_at,
                    COALESCE((SELECT MIN(seq) FROM outbox_cursor WHERE event = $1), 0) AS acknowledged",
        )
        .bind(event.as_str())
        .fetch_one(&mut *tx)
        .await?;
        let through = int(&row, "acknowledged")?.min(locked.outbox_purged + STEP);
        if int(&row, "last_at")? > now - keep_ms || through <= locked.outbox_purged {
            return Ok(0);
        }
        let deleted = sqlx::query("DELETE FROM outbox WHERE event = $1 AND seq <= $2")
            .bind(event.as_str())
            .bind(through)
            .execute(&mut *tx)
            .await?
            .rows_affected();
        // With all columns of the primary key, of which the event is the second.
        sqlx::query("DELETE FROM webhook_delivery WHERE endpoint IN (SELECT id FROM webhook_endpoint) AND event = $1 AND seq <= $2")
            .bind(event.as_str())
            .bind(through)
            .execute(&mut *tx)
            .await?;
        sqlx::query("UPDATE event SET outbox_purged = $2 WHERE id = $1")
            .bind(event.as_str())
            .bind(through)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(deleted)
    }
}
