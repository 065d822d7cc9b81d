//! Leading an event: one mover, steward and relay at a time, by a lease with a fence. A stopped holder blocks nobody: its lease
//! runs out, and its fence is refused from then on.

use domain::{Epoch, EventId, Fence, Millis};
use sqlx::any::AnyRow;

use crate::dialect::Dialect;
use crate::event::LedgerEvent;
use crate::ledger::{Ledger, LedgerError, Tx, count, int};

/// How long the lead lasts unless a round extends it, in milliseconds.
pub(crate) const LEAD_MS: i64 = 3000;

/// The lead of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lead {
    /// Carried by everything this leader writes.
    pub fence: Fence,
    /// The event as it was when the lead was won.
    pub event: LedgerEvent,
}

/// A new epoch of the queue, committed before the queue hears of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartedEpoch {
    /// The epoch.
    pub epoch: Epoch,
    /// No number above this was ever given.
    pub number_limit: u32,
}

impl Ledger {
    /// Takes the lead, if nobody has it.
    pub async fn lead(&self, event: &EventId) -> Result<Option<Lead>, LedgerError> {
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
            .bind(now + LEAD_MS)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        let event = LedgerEvent { fence: Fence(fence), ..LedgerEvent::from_row(&row)? };
        Ok(Some(Lead { fence: event.fence, event }))
    }

    /// Gives the lead back, so that the next one need not wait for the lease to run out.
    pub async fn step_down(&self, event: &EventId, fence: Fence) -> Result<(), LedgerError> {
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE event SET leader_until = 0 WHERE id = $1 AND leader_fence = $2")
            .bind(event.as_str())
            .bind(fence.0)
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }

    /// Ends every lease: for a process that holds the only key to the stores and so knows that nobody else lives. Fences stay.
    /// On Postgres it does nothing, since others may live.
    pub async fn end_leases(&self) -> Result<(), LedgerError> {
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

    /// Extends the lead and reads the event, in one step.
    pub async fn extend(&self, event: &EventId, fence: Fence) -> Result<LedgerEvent, LedgerError> {
        let mut tx = self.begin().await?;
        let (event, _) = hold_lead(self, &mut tx, event, fence).await?;
        tx.commit().await?;
        Ok(event)
    }

    /// Starts the next epoch of the queue. Committed before the queue is armed with it, so that no epoch is used twice.
    pub async fn start_epoch(&self, event: &EventId, fence: Fence) -> Result<StartedEpoch, LedgerError> {
        let mut tx = self.begin().await?;
        let row = sqlx::query("UPDATE event SET epoch = epoch + 1 WHERE id = $1 AND leader_fence = $2 RETURNING epoch, number_limit")
            .bind(event.as_str()).bind(fence.0)
            .fetch_optional(&mut *tx).await?.ok_or(LedgerError::Lost)?;
        tx.commit().await?;
        Ok(StartedEpoch { epoch: Epoch(count(&row, "epoch")?), number_limit: count(&row, "number_limit")? })
    }

    /// Holds the release back until that time of the ledger: a place may still be shown that comes before those in line.
    pub async fn hold_release(
        &self,
        event: &EventId,
        fence: Fence,
        for_ms: Millis,
    ) -> Result<(), LedgerError> {
        let mut tx = self.begin().await?;
        let (_, now) = hold_lead(self, &mut tx, event, fence).await?;
        sqlx::query("UPDATE event SET recover_until = $2 WHERE id = $1 AND recover_until < $2")
            .bind(event.as_str())
            .bind(now + for_ms)
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }

    /// Allows numbers up to `number_limit`. Committed before the queue hears of it; it never falls.
    pub async fn raise_limit(
        &self,
        event: &EventId,
        fence: Fence,
        number_limit: u32,
    ) -> Result<(), LedgerError> {
        let mut tx = self.begin().await?;
        hold_lead(self, &mut tx, event, fence).await?;
        sqlx::query("UPDATE event SET number_limit = $2 WHERE id = $1 AND number_limit < $2")
            .bind(event.as_str())
            .bind(i64::from(number_limit))
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }
}

/// Locks the event's row, checks the fence and extends the lease: the first step of every write of a leader. Says the time too.
pub(crate) async fn hold_lead(
    ledger: &Ledger,
    tx: &mut Tx,
    event: &EventId,
    fence: Fence,
) -> Result<(LedgerEvent, Millis), LedgerError> {
    let row = lock_event(tx, event).await?.ok_or(LedgerError::Lost)?;
    let held = LedgerEvent::from_row(&row)?;
    if held.fence != fence {
        return Err(LedgerError::Lost);
    }
    let now = ledger.now(tx).await?;
    sqlx::query("UPDATE event SET leader_until = $2 WHERE id = $1")
        .bind(event.as_str())
        .bind(now + LEAD_MS)
        .execute(&mut **tx)
        .await?;
    Ok((held, now))
}

/// Locks an event and reads it, so that what is decided from it still holds at the commit.
pub(crate) async fn lock_event(tx: &mut Tx, event: &EventId) -> Result<Option<AnyRow>, LedgerError> {
    Ok(sqlx::query(tx.dialect.lock_event()).bind(event.as_str()).fetch_optional(&mut **tx).await?)
}
