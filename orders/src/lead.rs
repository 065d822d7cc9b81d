//! Leading an event: one mover, steward and relay at a time, by a lease with a fence. A stopped holder blocks nobody: its lease
//! runs out, and its fence is refused from then on.

use domain::{Epoch, EventId, Fence, Millis};
use sqlx::any::AnyRow;

use crate::book::{Book, BookError, Tx, count, int};
use crate::dialect::Dialect;
use crate::event::BookEvent;

/// How long the lead lasts unless a round extends it, in milliseconds.
pub(crate) const LEAD_MS: i64 = 3000;

/// The lead of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lead {
    /// Carried by everything this leader writes.
    pub fence: Fence,
    /// The event as it was when the lead was won.
    pub event: BookEvent,
}

/// A new era of the line, committed before the line hears of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Era {
    /// The era.
    pub epoch: Epoch,
    /// No number above this was ever given.
    pub line_limit: u32,
}

impl Book {
    /// Takes the lead, if nobody has it.
    pub async fn lead(&self, event: &EventId) -> Result<Option<Lead>, BookError> {
        let mut tx = self.begin().await?;
        let Some(row) = lock_event(&mut tx, event).await? else { return Ok(None) };
        let now = self.now(&mut tx).await?;
        if int(&row, "mover_until")? >= now {
            return Ok(None);
        }
        let fence = int(&row, "mover_fence")? + 1;
        sqlx::query("UPDATE event SET mover_fence = $2, mover_until = $3 WHERE id = $1")
            .bind(event.as_str())
            .bind(fence)
            .bind(now + LEAD_MS)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        let event = BookEvent { fence: Fence(fence), ..BookEvent::from_row(&row)? };
        Ok(Some(Lead { fence: event.fence, event }))
    }

    /// Gives the lead back, so that the next one need not wait for the lease to run out.
    pub async fn step_down(&self, event: &EventId, fence: Fence) -> Result<(), BookError> {
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE event SET mover_until = 0 WHERE id = $1 AND mover_fence = $2")
            .bind(event.as_str())
            .bind(fence.0)
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }

    /// Ends every lease: for a process that holds the only key to the stores and so knows that nobody else lives. Fences stay.
    /// On Postgres it does nothing, since others may live.
    pub async fn end_leases(&self) -> Result<(), BookError> {
        if matches!(self.dialect, Dialect::Postgres) {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE event SET mover_until = 0").execute(&mut *tx).await?;
        sqlx::query("UPDATE application SET lease_until = 0 WHERE state IN ('ordering', 'undoing')")
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }

    /// Extends the lead and reads the event, in one step.
    pub async fn extend(&self, event: &EventId, fence: Fence) -> Result<BookEvent, BookError> {
        let mut tx = self.begin().await?;
        let (event, _) = hold_lead(self, &mut tx, event, fence).await?;
        tx.commit().await?;
        Ok(event)
    }

    /// Starts the next era of the line. Committed before the line is armed with it, so that no era is used twice.
    pub async fn start_era(&self, event: &EventId, fence: Fence) -> Result<Era, BookError> {
        let mut tx = self.begin().await?;
        let row = sqlx::query("UPDATE event SET epoch = epoch + 1 WHERE id = $1 AND mover_fence = $2 RETURNING epoch, line_limit")
            .bind(event.as_str()).bind(fence.0)
            .fetch_optional(&mut *tx).await?.ok_or(BookError::Lost)?;
        tx.commit().await?;
        Ok(Era { epoch: Epoch(count(&row, "epoch")?), line_limit: count(&row, "line_limit")? })
    }

    /// Holds the release back until that time of the book: a place may still be shown that comes before those in line.
    pub async fn hold_release(&self, event: &EventId, fence: Fence, for_ms: Millis) -> Result<(), BookError> {
        let mut tx = self.begin().await?;
        let (_, now) = hold_lead(self, &mut tx, event, fence).await?;
        sqlx::query("UPDATE event SET recover_until = $2 WHERE id = $1 AND recover_until < $2")
            .bind(event.as_str())
            .bind(now + for_ms)
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }

    /// Allows numbers up to `line_limit`. Committed before the line hears of it; it never falls.
    pub async fn raise_limit(&self, event: &EventId, fence: Fence, line_limit: u32) -> Result<(), BookError> {
        let mut tx = self.begin().await?;
        hold_lead(self, &mut tx, event, fence).await?;
        sqlx::query("UPDATE event SET line_limit = $2 WHERE id = $1 AND line_limit < $2")
            .bind(event.as_str())
            .bind(i64::from(line_limit))
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }
}

/// Locks the event's row, checks the fence and extends the lease: the first step of every write of a leader. Says the time too.
pub(crate) async fn hold_lead(
    book: &Book,
    tx: &mut Tx,
    event: &EventId,
    fence: Fence,
) -> Result<(BookEvent, Millis), BookError> {
    let row = lock_event(tx, event).await?.ok_or(BookError::Lost)?;
    let held = BookEvent::from_row(&row)?;
    if held.fence != fence {
        return Err(BookError::Lost);
    }
    let now = book.now(tx).await?;
    sqlx::query("UPDATE event SET mover_until = $2 WHERE id = $1")
        .bind(event.as_str())
        .bind(now + LEAD_MS)
        .execute(&mut **tx)
        .await?;
    Ok((held, now))
}

/// Locks an event and reads it, so that what is decided from it still holds at the commit.
pub(crate) async fn lock_event(tx: &mut Tx, event: &EventId) -> Result<Option<AnyRow>, BookError> {
    Ok(sqlx::query(tx.dialect.lock_event()).bind(event.as_str()).fetch_optional(&mut **tx).await?)
}
