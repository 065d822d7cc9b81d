//! Whether the queue lost applications, and when all that can come back has come back. It is decided once for each epoch and kept
//! here, so that a leader that ends leaves it to the next one.

use domain::{Epoch, EventId, EventState, Fence, Millis, NO_JOURNAL};

use crate::leader::called::renew_called;
use crate::leader::leader_lease::lock_led_event;
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::tables::event::EventRow;
use crate::tables::journal::{self, JournalReport, RegisteredJournal};

impl Ledger {
    /// Records that the queue lost nothing before it was armed for this epoch. The queue was away until `queue_now`, by its clock, so
    /// the time of called applicants starts again.
    pub async fn record_whole(
        &self,
        event: &EventId,
        fence: Fence,
        epoch: Epoch,
        queue_now: Millis,
    ) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let led = lock_led_event(self, &mut tx, event, fence).await?;
        if led.event.judged_epoch < epoch {
            renew_called(&mut tx, &led.event, queue_now).await?;
        }
        // The epoch of a ledger that was put back to an older state is below the queue's.
        sqlx::query(
            "UPDATE event SET judged_epoch = $2, epoch = CASE WHEN epoch < $2 THEN $2 ELSE epoch END
             WHERE id = $1 AND judged_epoch < $2",
        )
        .bind(event.as_str())
        .bind(i64::from(epoch.0))
        .execute(&mut *tx)
        .await?;
        tx.commit().await
    }

    /// Records that the queue lost applications before it was armed for this epoch. A settled event waits for nothing. Otherwise
    /// admission waits until every awaited journal was replayed. If some process has no journal, it waits `grace_ms` as well, while
    /// receipts are presented. The time of called applicants starts again, as in [`Self::record_whole`].
    pub async fn record_loss(
        &self,
        event: &EventId,
        fence: Fence,
        epoch: Epoch,
        queue_now: Millis,
        grace_ms: Millis,
    ) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let led = lock_led_event(self, &mut tx, event, fence).await?;
        if led.event.judged_epoch < epoch {
            renew_called(&mut tx, &led.event, queue_now).await?;
        }
        let journals = journal::all(&mut *tx, event).await?;
        let is_covered = !journals.is_empty() && journals.iter().all(|journal| journal.id != NO_JOURNAL);
        let until = if is_covered { led.now } else { led.now + grace_ms };
        sqlx::query(
            "UPDATE event SET judged_epoch = $2, lost_epoch = $2, epoch = CASE WHEN epoch < $2 THEN $2 ELSE epoch END,
                 recover_until = CASE WHEN recover_until < $3 THEN $3 ELSE recover_until END
             WHERE id = $1 AND judged_epoch < $2",
        )
        .bind(event.as_str())
        .bind(i64::from(epoch.0))
        .bind(until)
        .execute(&mut *tx)
        .await?;
        if led.event.state == EventState::Settled {
            sqlx::query("UPDATE event SET recovered_epoch = lost_epoch WHERE id = $1")
                .bind(event.as_str())
                .execute(&mut *tx)
                .await?;
        } else {
            journal::count_missing(&mut tx, event).await?;
        }
        tx.commit().await
    }

    /// Registers journals that are new, records which were replayed, and returns the event after that.
    pub async fn record_journals(
        &self,
        event: &EventId,
        fence: Fence,
        reports: &[JournalReport],
    ) -> Result<EventRow, Error> {
        let mut tx = self.begin().await?;
        let led = lock_led_event(self, &mut tx, event, fence).await?;
        for report in reports {
            journal::record(&mut tx, &led.event, report, led.now).await?;
        }
        let journals_missing = journal::count_missing(&mut tx, event).await?;
        tx.commit().await?;
        Ok(EventRow { journals_missing, ..led.event })
    }

    /// Ends the recovery from this loss: admission goes on.
    pub async fn end_recovery(&self, event: &EventId, fence: Fence, lost_epoch: Epoch) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        lock_led_event(self, &mut tx, event, fence).await?;
        sqlx::query("UPDATE event SET recovered_epoch = $2 WHERE id = $1 AND recovered_epoch < $2")
            .bind(event.as_str())
            .bind(i64::from(lost_epoch.0))
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }

    /// The journals of the event.
    pub async fn registered_journals(&self, event: &EventId) -> Result<Vec<RegisteredJournal>, Error> {
        journal::all(self.reader(), event).await
    }

    /// The ids of the awaited journals that were not replayed since applications were lost, in order.
    pub async fn missing_journals(&self, event: &EventId) -> Result<Vec<String>, Error> {
        journal::missing(self.reader(), event).await
    }
}
