//! The queue at a glance, as the leader saw it last: for the operator console, which sees the ledger only. It decides nothing.

use domain::{Epoch, EventId, EventState, Fence, Millis};
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::lead::hold_lead;
use crate::ledger::{Ledger, LedgerError, count, int, text};

/// The queue of an event at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueStatus {
    /// When it was so, in the ledger's time; the leader writes it once a second.
    pub at: Millis,
    /// The queue's epoch.
    pub epoch: Epoch,
    /// Where the event stands by the queue's clock.
    pub state: EventState,
    /// The last number given or skipped.
    pub seq: u32,
    /// Everybody up to here is in the ledger, withdrawn, or nobody.
    pub admitted_through: u32,
    /// Numbers above `admitted_through` that were given; some may have withdrawn.
    pub waiting: u32,
    /// The last number given before the queue closed.
    pub closed_seq: Option<u32>,
    /// Numbers in gaps: nobody's, or those of applicants whom the queue forgot and who have not come back.
    pub missing: u32,
    /// Whether the queue takes writes.
    pub armed: bool,
    /// Seats sold per second over the last seconds, in thousandths.
    pub ordered_milli_per_s: u32,
    /// How long the first in line has waited; `None` if nobody waits, or the leader came later than that.
    pub oldest_wait_ms: Option<Millis>,
}

impl QueueStatus {
    fn from_row(row: &AnyRow) -> Result<Self, LedgerError> {
        let state = text(row, "state")?;
        let closed_seq: Option<i64> = row.try_get("closed_seq")?;
        Ok(Self {
            at: int(row, "at")?,
            epoch: Epoch(count(row, "epoch")?),
            state: EventState::parse(&state)
                .ok_or_else(|| LedgerError::Inconsistent(format!("a queue cannot be '{state}'")))?,
            seq: count(row, "seq")?,
            admitted_through: count(row, "admitted_through")?,
            waiting: count(row, "waiting")?,
            closed_seq: closed_seq.and_then(|seq| u32::try_from(seq).ok()),
            missing: count(row, "missing")?,
            armed: int(row, "armed")? == 1,
            ordered_milli_per_s: count(row, "ordered_milli")?,
            oldest_wait_ms: row.try_get("oldest_ms")?,
        })
    }
}

impl Ledger {
    /// What the leader last saw of the queue; `None` if no leader wrote any yet.
    pub async fn queue_status(&self, event: &EventId) -> Result<Option<QueueStatus>, LedgerError> {
        let row = sqlx::query("SELECT * FROM queue_status WHERE event = $1")
            .bind(event.as_str())
            .fetch_optional(self.reader())
            .await?;
        row.as_ref().map(QueueStatus::from_row).transpose()
    }

    /// Writes what the leader sees of the queue, and extends the lead. The time is the ledger's, whatever `status` says.
    pub async fn write_queue_status(
        &self,
        event: &EventId,
        fence: Fence,
        status: &QueueStatus,
    ) -> Result<(), LedgerError> {
        let mut tx = self.begin().await?;
        let (_, now) = hold_lead(self, &mut tx, event, fence).await?;
        sqlx::query(
            "INSERT INTO queue_status (event, at, epoch, state, seq, admitted_through, waiting, closed_seq, missing, armed, ordered_milli, oldest_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
             ON CONFLICT (event) DO UPDATE SET at = $2, epoch = $3, state = $4, seq = $5, admitted_through = $6, waiting = $7,
                 closed_seq = $8, missing = $9, armed = $10, ordered_milli = $11, oldest_ms = $12",
        )
        .bind(event.as_str()).bind(now).bind(i64::from(status.epoch.0)).bind(status.state.as_str())
        .bind(i64::from(status.seq)).bind(i64::from(status.admitted_through)).bind(i64::from(status.waiting))
        .bind(status.closed_seq.map(i64::from)).bind(i64::from(status.missing)).bind(i64::from(status.armed))
        .bind(i64::from(status.ordered_milli_per_s)).bind(status.oldest_wait_ms)
        .execute(&mut *tx).await?;
        tx.commit().await
    }
}
