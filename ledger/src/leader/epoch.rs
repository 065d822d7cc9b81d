//! The queue's epoch and its limit of numbers: written in the ledger before the queue gets them.

use domain::{Epoch, EventId, Fence};

use crate::leader::leader_lease::lock_led_event;
use crate::store::column::count;
use crate::store::error::Error;
use crate::store::ledger::Ledger;

/// A new epoch of the queue, committed before the queue is armed with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewEpoch {
    /// The epoch.
    pub epoch: Epoch,
    /// The highest number that any earlier epoch was allowed to give.
    pub number_limit: u32,
}

impl Ledger {
    /// Starts the next epoch of the queue. It is committed before the queue is armed with it, so that no epoch is used twice.
    pub async fn start_epoch(&self, event: &EventId, fence: Fence) -> Result<NewEpoch, Error> {
        let mut tx = self.begin().await?;
        let row = sqlx::query("UPDATE event SET epoch = epoch + 1 WHERE id = $1 AND leader_fence = $2 RETURNING epoch, number_limit")
            .bind(event.as_str()).bind(fence.0)
            .fetch_optional(&mut *tx).await?.ok_or(Error::Lost)?;
        tx.commit().await?;
        Ok(NewEpoch { epoch: Epoch(count(&row, "epoch")?), number_limit: count(&row, "number_limit")? })
    }

    /// Raises the epoch to that of the queue, which a later state of the ledger gave out.
    pub async fn raise_epoch(&self, event: &EventId, fence: Fence, epoch: Epoch) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        lock_led_event(self, &mut tx, event, fence).await?;
        sqlx::query("UPDATE event SET epoch = $2 WHERE id = $1 AND epoch < $2")
            .bind(event.as_str())
            .bind(i64::from(epoch.0))
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }

    /// Allows numbers up to `number_limit`. It is committed before the queue gets the limit, and the limit never falls.
    pub async fn raise_number_limit(
        &self,
        event: &EventId,
        fence: Fence,
        number_limit: u32,
    ) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        lock_led_event(self, &mut tx, event, fence).await?;
        sqlx::query("UPDATE event SET number_limit = $2 WHERE id = $1 AND number_limit < $2")
            .bind(event.as_str())
            .bind(i64::from(number_limit))
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }
}
