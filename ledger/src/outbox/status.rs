//! The status of the targets: how far behind each one is.

use domain::{EventId, Millis};
use sqlx::any::AnyRow;

use crate::store::column::{count, int, maybe_int, maybe_text, parsed, text};
use crate::store::error::Error;
use crate::store::ledger::Ledger;

/// How far a target has got with the domain events of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetStatus {
    /// The target.
    pub target: String,
    /// The event.
    pub event: EventId,
    /// The number of the last acknowledged domain event.
    pub seq: i64,
    /// The number of the last domain event.
    pub last_seq: i64,
    /// The time of the first domain event that is not acknowledged.
    pub oldest_at: Option<Millis>,
    /// Since when each attempt has failed.
    pub failing_since: Option<Millis>,
    /// Attempts that failed since then.
    pub failures: u32,
    /// The last error.
    pub last_error: Option<String>,
    /// Domain events that the target can never accept.
    pub dead: u32,
}

impl TargetStatus {
    fn from_row(row: &AnyRow) -> Result<Self, Error> {
        Ok(Self {
            target: text(row, "target")?,
            event: parsed(row, "event")?,
            seq: int(row, "seq")?,
            last_seq: int(row, "outbox_seq")?,
            oldest_at: maybe_int(row, "oldest_at")?,
            failing_since: maybe_int(row, "failing_since")?,
            failures: count(row, "failures")?,
            last_error: maybe_text(row, "last_error")?,
            dead: count(row, "dead")?,
        })
    }
}

impl Ledger {
    /// Returns the status of each target, of one event or of all, ordered by target and event.
    pub async fn target_statuses(&self, event: Option<&EventId>) -> Result<Vec<TargetStatus>, Error> {
        let rows = sqlx::query(
            "SELECT c.target, c.event, c.seq, c.failing_since, c.failures, c.last_error, e.outbox_seq,
                    (SELECT o.at FROM outbox AS o WHERE o.event = c.event AND o.seq > c.seq ORDER BY o.seq LIMIT 1) AS oldest_at,
                    (SELECT COUNT(*) FROM outbox_dead AS d WHERE d.target = c.target AND d.event = c.event) AS dead
             FROM outbox_cursor AS c JOIN event AS e ON e.id = c.event
             WHERE $1 = '' OR c.event = $1 ORDER BY c.target, c.event",
        )
        .bind(event.map_or("", EventId::as_str))
        .fetch_all(self.reader())
        .await?;
        rows.iter().map(TargetStatus::from_row).collect()
    }
}
