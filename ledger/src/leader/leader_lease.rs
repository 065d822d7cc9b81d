//! The leader lease of an event: at most one worker at a time admits, handles the inbox and projects. Each lease has a fencing
//! token. A leader that has stopped delays the next one only until its lease expires, and its fence is refused from then on.

use domain::{EventId, Fence, Millis};

use crate::store::column::int;
use crate::store::dialect::Dialect;
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::store::transaction::Tx;
use crate::tables::event::{EventRow, lock_event};

/// How long the lease lasts unless it is extended, in milliseconds.
const LEASE_MS: Millis = 3000;

/// The leadership of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leadership {
    /// The fencing token, which every write of this leader carries.
    pub fence: Fence,
    /// The event at the time when the leadership was acquired.
    pub event: EventRow,
}

impl Ledger {
    /// Acquires the leadership; `None` if another process has it.
    pub async fn acquire_leadership(&self, event: &EventId) -> Result<Option<Leadership>, Error> {
        let mut tx = self.begin().await?;
        let Some(row) = lock_event(&mut tx, event).await? else { return Ok(None) };
        let now = self.now(&mut tx).await?;
        if int(&row, "leader_until")? >= now {
            return Ok(None);
        }
        let fence = int(&row, "leader_fence")? + 1;
        sqlx::query("UPDATE event SET leader_fence = $2, leader_until = $3 WHERE id = $1")
            .bind(event.as_str())
            .bind(fence)
            .bind(now + LEASE_MS)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        let event = EventRow { fence: Fence(fence), ..EventRow::from_row(&row)? };
        Ok(Some(Leadership { fence: event.fence, event }))
    }

    /// Ends the lease, so that the next leader need not wait for it to expire.
    pub async fn step_down(&self, event: &EventId, fence: Fence) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE event SET leader_until = 0 WHERE id = $1 AND leader_fence = $2")
            .bind(event.as_str())
            .bind(fence.0)
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }

    /// Ends every lease: for a process that has locked the stores and therefore knows that no other process uses them. The fences
    /// stay. It does nothing on Postgres, which other processes may be using.
    pub async fn end_leases(&self) -> Result<(), Error> {
        if matches!(self.dialect, Dialect::Postgres) {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE event SET leader_until = 0").execute(&mut *tx).await?;
        sqlx::query("UPDATE application SET lease_until = 0 WHERE state IN ('ordering', 'undoing')")
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }

    /// Extends the lease and reads the event, in one transaction.
    pub async fn extend_leadership(&self, event: &EventId, fence: Fence) -> Result<EventRow, Error> {
        let mut tx = self.begin().await?;
        let led = lock_led_event(self, &mut tx, event, fence).await?;
        tx.commit().await?;
        Ok(led.event)
    }
}

/// An event that the caller leads and has locked.
pub(crate) struct LedEvent {
    pub(crate) event: EventRow,
    /// The ledger's time.
    pub(crate) now: Millis,
}

/// Locks the event's row, checks the fence and extends the lease: the first step of every transaction of a leader.
pub(crate) async fn lock_led_event(
    ledger: &Ledger,
    tx: &mut Tx,
    event: &EventId,
    fence: Fence,
) -> Result<LedEvent, Error> {
    let row = lock_event(tx, event).await?.ok_or(Error::Lost)?;
    let led = EventRow::from_row(&row)?;
    if led.fence != fence {
        return Err(Error::Lost);
    }
    let now = ledger.now(tx).await?;
    sqlx::query("UPDATE event SET leader_until = $2 WHERE id = $1")
        .bind(event.as_str())
        .bind(now + LEASE_MS)
        .execute(&mut **tx)
        .await?;
    Ok(LedEvent { event: led, now })
}
