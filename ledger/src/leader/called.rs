//! Called applicants: the end of their time, and their projection into the queue.

use domain::application::Step;
use domain::{AppKey, ApplicationState, CalledWindow, Epoch, EventId, Fence, Millis, Number};
use serde_json::json;
use sqlx::any::AnyRow;

use crate::leader::admission::QueueReading;
use crate::leader::leader_lease::lock_led_event;
use crate::store::column::{int, number, parsed, text};
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::store::transaction::Tx;
use crate::tables::application::lock_application;
use crate::tables::event::{EventRow, lock_event};
use crate::tables::transition::end;

/// The most applications that expire in one transaction, which locks the event's row.
const EXPIRE_MAX: u32 = 256;

/// A called applicant, to project into the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalledProjection {
    /// The key of the application.
    pub app_key: AppKey,
    /// The number of the application.
    pub number: Number,
    /// The time to confirm.
    pub window: CalledWindow,
}

impl CalledProjection {
    fn from_row(row: &AnyRow) -> Result<Self, Error> {
        let window = CalledWindow {
            until: int(row, "called_until")?,
            extended: int(row, "extended")? == 1,
            confirmed: text(row, "state")? != "called",
        };
        Ok(Self { app_key: parsed(row, "app_key")?, number: number(row)?, window })
    }
}

impl Ledger {
    /// Ends the applications whose time ended by `handled_until`, in the order of their numbers, and frees their seats. Every request
    /// that the queue wrote before `handled_until`, by its clock, is handled already. Returns the numbers. Fails if the event is frozen
    /// or has fewer changes than the queue was told.
    pub async fn expire_called(
        &self,
        event: &EventId,
        fence: Fence,
        handled_until: Millis,
        queue: QueueReading,
    ) -> Result<Vec<Number>, Error> {
        let due = self.called_until(event, handled_until).await?;
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let mut tx = self.begin().await?;
        let led = lock_led_event(self, &mut tx, event, fence).await?;
        led.event.require_changes(queue.changes)?;
        if let Some(why) = led.event.frozen {
            return Err(Error::Frozen(why));
        }
        let mut expired = Vec::new();
        for app_key in due {
            let Some(row) = lock_application(&mut tx, event, app_key).await? else { continue };
            let step = Step::Expire { now: handled_until };
            if let Some(ApplicationState::Ended(outcome)) = row.state.after(step) {
                end(&mut tx, &row, outcome, None, led.now).await?;
                expired.push(row.number);
            }
        }
        tx.commit().await?;
        Ok(expired)
    }

    /// The first applications whose time ended by then. It locks nothing.
    async fn called_until(&self, event: &EventId, time: Millis) -> Result<Vec<AppKey>, Error> {
        let rows = sqlx::query(
            "SELECT app_key FROM application WHERE event = $1 AND state = 'called' AND called_until <= $2 ORDER BY number LIMIT $3",
        )
        .bind(event.as_str()).bind(time).bind(i64::from(EXPIRE_MAX))
        .fetch_all(self.reader()).await?;
        rows.iter().map(|row| parsed(row, "app_key")).collect()
    }

    /// Returns called applicants, and those who confirmed and have no outcome, that are not yet projected into the queue of this
    /// epoch, at most `max`.
    pub async fn unprojected_called(
        &self,
        event: &EventId,
        epoch: Epoch,
        max: u32,
    ) -> Result<Vec<CalledProjection>, Error> {
        let rows = sqlx::query(
            "SELECT app_key, number, state, called_until, extended FROM application
             WHERE event = $1 AND called_until IS NOT NULL AND outcome IS NULL AND projected_epoch < $2 LIMIT $3",
        )
        .bind(event.as_str())
        .bind(i64::from(epoch.0))
        .bind(i64::from(max))
        .fetch_all(self.reader())
        .await?;
        rows.iter().map(CalledProjection::from_row).collect()
    }

    /// Marks these as projected. One that has changed meanwhile stays unprojected.
    pub async fn mark_called_projected(
        &self,
        event: &EventId,
        epoch: Epoch,
        projected: &[CalledProjection],
    ) -> Result<(), Error> {
        if projected.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        // As in `mark_projected`.
        lock_event(&mut tx, event).await?;
        let json = |CalledProjection { app_key, window, .. }: &CalledProjection| json!({ "key": app_key.to_string(), "until": window.until, "confirmed": i32::from(window.confirmed) });
        sqlx::query(
            "UPDATE application SET projected_epoch = $3 FROM json_each($2) AS one
             WHERE event = $1 AND app_key = one.value ->> 'key' AND called_until = CAST(one.value ->> 'until' AS BIGINT)
               AND outcome IS NULL AND CASE WHEN state = 'called' THEN 0 ELSE 1 END = CAST(one.value ->> 'confirmed' AS BIGINT)",
        )
        .bind(event.as_str())
        .bind(json!(projected.iter().map(json).collect::<Vec<_>>()).to_string())
        .bind(i64::from(epoch.0))
        .execute(&mut *tx)
        .await?;
        tx.commit().await
    }
}

/// Gives each called applicant at least the whole time from now on: the queue was away, and took no request meanwhile.
pub(crate) async fn renew_called(tx: &mut Tx, event: &EventRow, queue_now: Millis) -> Result<(), Error> {
    sqlx::query(
        "UPDATE application SET called_until = $2, projected_epoch = 0 WHERE event = $1 AND state = 'called' AND called_until < $2",
    )
    .bind(event.settings.id.as_str())
    .bind(queue_now + event.settings.called_for_ms)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
