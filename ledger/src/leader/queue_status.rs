//! The status of the queue, written by the leader for the operator API, which reads the ledger only. Nothing is decided from it.

use domain::{Epoch, EventId, EventState, Fence, Millis};
use sqlx::any::AnyRow;

use crate::leader::leader_lease::lock_led_event;
use crate::store::column::{count, event_state, int, maybe_count, maybe_int};
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::tables::activity;

/// The queue of an event at a point in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueStatus {
    /// The ledger's time when the leader wrote the status, once a second.
    pub at: Millis,
    /// The queue's epoch.
    pub epoch: Epoch,
    /// The state of the event by the queue's clock.
    pub state: EventState,
    /// The last number given or skipped.
    pub seq: u32,
    /// The number up to which every application is in the ledger or withdrawn.
    pub admitted_through: u32,
    /// Numbers above `admitted_through` that were given. Some of their applications may be withdrawn.
    pub waiting: u32,
    /// The last number given before the queue closed.
    pub closed_seq: Option<u32>,
    /// Numbers in gaps: of no application, or of applications that the queue lost and that were not restored.
    pub skipped_numbers: u32,
    /// Whether the queue accepts writes.
    pub armed: bool,
    /// Seats sold per second over the last seconds, in thousandths.
    pub sold_milli_per_s: u32,
    /// The highest `seq` that was ever reported, also by a queue that has lost it since. The ledger never lowers it.
    pub highest_seq: u32,
    /// How long the first application of the queue has waited; `None` if none waits, or if it applied before the current leader
    /// took over.
    pub oldest_wait_ms: Option<Millis>,
}

impl QueueStatus {
    fn from_row(row: &AnyRow) -> Result<Self, Error> {
        Ok(Self {
            at: int(row, "at")?,
            epoch: Epoch(count(row, "epoch")?),
            state: event_state(row)?,
            seq: count(row, "seq")?,
            admitted_through: count(row, "admitted_through")?,
            waiting: count(row, "waiting")?,
            closed_seq: maybe_count(row, "closed_seq")?,
            skipped_numbers: count(row, "skipped_numbers")?,
            armed: int(row, "armed")? == 1,
            sold_milli_per_s: count(row, "sold_milli_per_s")?,
            highest_seq: count(row, "highest_seq")?,
            oldest_wait_ms: maybe_int(row, "oldest_wait_ms")?,
        })
    }
}

impl Ledger {
    /// Returns the last status of the queue; `None` before a leader has written one.
    pub async fn queue_status(&self, event: &EventId) -> Result<Option<QueueStatus>, Error> {
        let row = sqlx::query("SELECT * FROM queue_status WHERE event = $1")
            .bind(event.as_str())
            .fetch_optional(self.reader())
            .await?;
        row.as_ref().map(QueueStatus::from_row).transpose()
    }

    /// Writes the status of the queue with the ledger's time, which it returns, and extends the leader's lease.
    pub async fn write_queue_status(
        &self,
        event: &EventId,
        fence: Fence,
        status: &QueueStatus,
    ) -> Result<Millis, Error> {
        let mut tx = self.begin().await?;
        let led = lock_led_event(self, &mut tx, event, fence).await?;
        sqlx::query(
            "INSERT INTO queue_status (event, at, epoch, state, seq, admitted_through, waiting, closed_seq, skipped_numbers, armed, sold_milli_per_s, oldest_wait_ms, highest_seq)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $5)
             ON CONFLICT (event) DO UPDATE SET at = $2, epoch = $3, state = $4, seq = $5, admitted_through = $6, waiting = $7,
                 closed_seq = $8, skipped_numbers = $9, armed = $10, sold_milli_per_s = $11, oldest_wait_ms = $12,
                 highest_seq = CASE WHEN queue_status.highest_seq < $5 THEN $5 ELSE queue_status.highest_seq END",
        )
        .bind(event.as_str()).bind(led.now).bind(i64::from(status.epoch.0)).bind(status.state.as_str())
        .bind(i64::from(status.seq)).bind(i64::from(status.admitted_through)).bind(i64::from(status.waiting))
        .bind(status.closed_seq.map(i64::from)).bind(i64::from(status.skipped_numbers)).bind(i64::from(status.armed))
        .bind(i64::from(status.sold_milli_per_s)).bind(status.oldest_wait_ms)
        .execute(&mut *tx).await?;
        let applied = status.seq.saturating_sub(status.skipped_numbers);
        activity::record_queue(&mut tx, event, led.now, applied, status.waiting).await?;
        tx.commit().await?;
        Ok(led.now)
    }
}
