//! Rows of the table `event`.

use domain::{Epoch, EventId, EventSettings, EventState, Fence, Millis};
use sqlx::any::AnyRow;

use crate::store::column::{count, event_state, int, maybe_count, maybe_text, text};
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::store::transaction::Tx;

/// An event in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// The settings as of `rev`.
    pub settings: EventSettings,
    /// The revision of the settings, which rises with every change.
    pub rev: i64,
    /// The last state that the leader or an operator recorded.
    pub state: EventState,
    /// The leader's fence; 0 before the first leader.
    pub fence: Fence,
    /// The highest number that the queue may give.
    pub number_limit: u32,
    /// The last handled entry of the inbox.
    pub inbox_through: i64,
    /// The count of admissions and inbox requests that were committed. The queue is told after each, so that a ledger that was put
    /// back to an older state is noticed.
    pub changes: i64,
    /// The last epoch for which it is decided whether the queue lost applications.
    pub judged_epoch: Epoch,
    /// The last epoch at whose arming applications were lost; 0 if there is none.
    pub lost_epoch: Epoch,
    /// The last loss whose recovery has ended.
    pub recovered_epoch: Epoch,
    /// The time before which no application is admitted: the queue lost applications, whose receipts may still restore them.
    pub recover_until: Millis,
    /// Awaited journals that were not replayed since applications were lost. No application is admitted meanwhile.
    pub journals_missing: u32,
    /// Why the event is frozen, if it is: no application is admitted.
    pub frozen: Option<String>,
    /// The last number given before the queue closed.
    pub closed_seq: Option<u32>,
    /// The number of the last domain event in the outbox.
    pub outbox_seq: i64,
    /// The domain events up to this number are deleted.
    pub outbox_purged: i64,
    /// The last number that settling covers: applications up to here that still wait are sold out.
    pub settled_seq: Option<u32>,
}

impl EventRow {
    /// Fails if the ledger was put back to an older state since this count of changes was read.
    pub(crate) fn require_changes(&self, changes_min: i64) -> Result<(), Error> {
        if self.changes < changes_min { Err(Error::Behind) } else { Ok(()) }
    }

    /// Whether applications that the queue lost may still be restored. No application is admitted meanwhile.
    pub fn is_recovering(&self) -> bool {
        self.recovered_epoch < self.lost_epoch
    }

    pub(crate) fn from_row(row: &AnyRow) -> Result<Self, Error> {
        Ok(Self {
            settings: settings(row)?,
            rev: int(row, "rev")?,
            state: event_state(row)?,
            fence: Fence(int(row, "leader_fence")?),
            number_limit: count(row, "number_limit")?,
            inbox_through: int(row, "inbox_through")?,
            changes: int(row, "changes")?,
            judged_epoch: Epoch(count(row, "judged_epoch")?),
            lost_epoch: Epoch(count(row, "lost_epoch")?),
            recovered_epoch: Epoch(count(row, "recovered_epoch")?),
            recover_until: int(row, "recover_until")?,
            journals_missing: count(row, "journals_missing")?,
            outbox_seq: int(row, "outbox_seq")?,
            outbox_purged: int(row, "outbox_purged")?,
            frozen: maybe_text(row, "frozen")?,
            closed_seq: maybe_count(row, "closed_seq")?,
            settled_seq: maybe_count(row, "settled_seq")?,
        })
    }
}

/// Reads the settings of an event's row.
pub(crate) fn settings(row: &AnyRow) -> Result<EventSettings, Error> {
    serde_json::from_str(&text(row, "settings")?)
        .map_err(|error| Error::Inconsistent(format!("an event's settings: {error}")))
}

/// Locks an event and reads it, so that decisions based on it still hold at the commit.
pub(crate) async fn lock_event(tx: &mut Tx, event: &EventId) -> Result<Option<AnyRow>, Error> {
    Ok(sqlx::query(tx.dialect.lock_event()).bind(event.as_str()).fetch_optional(&mut **tx).await?)
}

/// Locks an event that must exist, and reads it.
pub(crate) async fn lock_known_event(tx: &mut Tx, event: &EventId) -> Result<AnyRow, Error> {
    lock_event(tx, event).await?.ok_or_else(|| Error::UnknownEvent(event.to_string()))
}

/// How many counts of changes each fence has. Lua keeps 53 bits of an integer, so there is room for two million fences.
const CHANGES_PER_FENCE: i64 = 1 << 32;

/// Raises the count of changes of an event that is locked, and returns it. The counts of one fence are above those of every lower
/// fence: otherwise a leader that goes on after the ledger was put back could reach the count that the queue was told by a later leader,
/// and hide the loss (`domain/tests/model`).
pub(crate) async fn raise_changes(tx: &mut Tx, event: &EventId) -> Result<i64, Error> {
    let row = sqlx::query(
        "UPDATE event SET changes = CASE WHEN changes < leader_fence * $2 THEN leader_fence * $2 ELSE changes + 1 END
         WHERE id = $1 RETURNING changes",
    )
    .bind(event.as_str()).bind(CHANGES_PER_FENCE)
        .fetch_one(&mut **tx)
        .await?;
    int(&row, "changes")
}

impl Ledger {
    /// Returns all events, ordered by id.
    pub async fn events(&self) -> Result<Vec<EventRow>, Error> {
        let rows = sqlx::query("SELECT * FROM event ORDER BY id").fetch_all(self.reader()).await?;
        rows.iter().map(EventRow::from_row).collect()
    }

    /// Returns one event.
    pub async fn event(&self, event: &EventId) -> Result<EventRow, Error> {
        let row = sqlx::query("SELECT * FROM event WHERE id = $1")
            .bind(event.as_str())
            .fetch_optional(self.reader())
            .await?;
        row.as_ref().map_or_else(|| Err(Error::UnknownEvent(event.to_string())), EventRow::from_row)
    }
}
