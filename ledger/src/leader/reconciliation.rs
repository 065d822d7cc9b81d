//! A ledger that was put back to an older state, while the queue was not: it takes back from the queue what it has lost. Meanwhile
//! nothing is admitted, since seats that look free may be sold.

use domain::application::Step;
use domain::{AppKey, ApplicationState, CalledWindow, EventId, Fence, Kind, Millis, Number, Outcome, Undo};
use serde_json::json;

use crate::leader::admission::{free_seats, hold_seats};
use crate::leader::freeze::freeze;
use crate::leader::inbox::{cancel, record_ended, take_step};
use crate::leader::known_applications::{Comparison, KnownApplications};
use crate::leader::leader_lease::{LedEvent, lock_led_event};
use crate::store::column::count;
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::store::transaction::Tx;
use crate::tables::application::{ApplicationRow, UndoneBy, lock_application};
use crate::tables::transition::{confirm, end, start_undoing};

/// An application that the queue knows as admitted or withdrawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueRecord {
    /// Its number.
    pub number: Number,
    /// The application.
    pub app_key: AppKey,
    /// The outcome that the queue has; a withdrawn application is cancelled.
    pub outcome: Option<Outcome>,
    /// The order number that the queue has.
    pub order_no: Option<String>,
    /// In an event that calls applicants, the time of one without an outcome; in kind `pass`, where no other order exists, of each.
    pub called: Option<CalledWindow>,
    /// Whether the applicant requested to cancel it.
    pub cancel_requested: bool,
    /// Whether it was withdrawn, but maybe not before its admission: admission had read its number.
    pub is_withdrawn_after_reading: bool,
}

/// The result of a reconciliation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconciled {
    /// How many applications were added.
    pub added: usize,
    /// How many could not be added yet, for want of a free seat: an application that is under way may free one.
    pub without_seat: usize,
}

impl QueueRecord {
    fn is_cancelled(&self) -> bool {
        self.cancel_requested || self.outcome == Some(Outcome::Cancelled)
    }

    /// Whether the applicant did not confirm. Then there is no order.
    fn is_unconfirmed(&self) -> bool {
        self.called.is_some_and(|window| !window.confirmed)
    }

    /// How the application ended without an order.
    fn ended_without_order(&self) -> Option<Outcome> {
        match self.outcome {
            Some(Outcome::Ordered) => None,
            _ if self.is_withdrawn_after_reading => None,
            None if self.is_unconfirmed() && self.cancel_requested => Some(Outcome::Cancelled),
            outcome => outcome,
        }
    }
}

impl Ledger {
    /// Adds the applications that the ledger does not have, and repeats cancel requests that it has lost.
    ///
    /// An added application may have an order. It gets a seat at once, and counts as if an order call was made before: its next order
    /// call finds the order, and a rejection or a cancellation deletes it first. So does a withdrawn one that admission may have read
    /// before. An applicant who did not confirm is called again. Without a free seat an application waits for one, as long as another
    /// is under way; after that the event is frozen.
    pub async fn reconcile(
        &self,
        event: &EventId,
        fence: Fence,
        records: &[QueueRecord],
    ) -> Result<Reconciled, Error> {
        let mut tx = self.begin().await?;
        let led = lock_led_event(self, &mut tx, event, fence).await?;
        let named = records.iter().map(|record| (record.number, record.app_key));
        let known = KnownApplications::read(&mut tx, event, named).await?;
        let (mut to_seat, mut ended) = (Vec::new(), 0);
        for record in records {
            match known.compare(record.number, record.app_key) {
                Comparison::Contradicts(why) => return freeze(self, tx, event, fence, why).await,
                Comparison::Known => repeat_ending(&mut tx, &led, record).await?,
                Comparison::New => match record.ended_without_order() {
                    Some(outcome) => {
                        let QueueRecord { number, app_key, .. } = *record;
                        record_ended(&mut tx, event, number, app_key, outcome, led.now).await?;
                        ended += 1;
                    }
                    None => to_seat.push(record),
                },
            }
        }
        // The admitted ones first: each of them has a seat.
        to_seat.sort_by_key(|record| record.is_withdrawn_after_reading);
        let seats = free_seats(&mut tx, event, to_seat.len()).await?;
        let mut without_seat = to_seat.split_off(seats.len());
        seat_again(&mut tx, event, &to_seat, &seats, led.now).await?;
        for record in to_seat.iter().filter(|record| record.outcome.is_some()) {
            repeat_called(&mut tx, event, record, led.now).await?;
        }
        if !without_seat.is_empty() && !is_under_way(&mut tx, event).await? {
            // All seats are sold, so a withdrawn application never had one.
            let withdrawn = without_seat.extract_if(.., |record| record.is_withdrawn_after_reading);
            for record in withdrawn.collect::<Vec<_>>() {
                let QueueRecord { number, app_key, .. } = *record;
                record_ended(&mut tx, event, number, app_key, Outcome::Cancelled, led.now).await?;
                ended += 1;
            }
            if !without_seat.is_empty() {
                return freeze(self, tx, event, fence, too_few_seats(without_seat.len())).await;
            }
        }
        tx.commit().await?;
        Ok(Reconciled { added: to_seat.len() + ended, without_seat: without_seat.len() })
    }

    /// Ends the reconciliation with a queue that was told this count of changes. An application that the older state has as not
    /// called yet may have been called since, so each counts as called once more.
    pub async fn end_reconciliation(&self, event: &EventId, fence: Fence, changes: i64) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        lock_led_event(self, &mut tx, event, fence).await?;
        sqlx::query("UPDATE application SET attempts = attempts + 1 WHERE event = $1 AND state = 'ordering'")
            .bind(event.as_str())
            .execute(&mut *tx)
            .await?;
        sqlx::query("UPDATE event SET changes = $2 WHERE id = $1 AND changes < $2")
            .bind(event.as_str())
            .bind(changes)
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }

    /// Raises the fence to that of the queue, which a later state of the ledger gave out.
    pub async fn raise_fence(&self, event: &EventId, fence: i64) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE event SET leader_fence = $2 WHERE id = $1 AND leader_fence < $2")
            .bind(event.as_str())
            .bind(fence)
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }
}

fn too_few_seats(missing: usize) -> String {
    format!(
        "the ledger was put back to an older state and has too few seats: {missing} more are needed for applications that were admitted \
         since; raise the capacity, then unfreeze the event",
    )
}

/// Repeats for a known application what ended it since. Its order is deleted before its seat is free: the older state may not know of
/// an order call.
async fn repeat_ending(tx: &mut Tx, led: &LedEvent, record: &QueueRecord) -> Result<(), Error> {
    let (event, kind, now) = (&led.event.settings.id, led.event.settings.kind, led.now);
    repeat_called(tx, event, record, now).await?;
    match record.outcome {
        Some(Outcome::Rejected) => repeat_rejection(tx, event, record.app_key, now).await,
        // The shop may have cancelled the order.
        Some(Outcome::Cancelled) if kind == Kind::Pass => {
            take_step(tx, event, record.app_key, Step::ReportReleased, now).await
        }
        _ if record.is_cancelled() => cancel(tx, event, kind, record.app_key, now).await,
        _ => Ok(()),
    }
}

async fn repeat_rejection(tx: &mut Tx, event: &EventId, app_key: AppKey, now: Millis) -> Result<(), Error> {
    match lock_application(tx, event, app_key).await? {
        Some(row) if matches!(row.state, ApplicationState::Ordering { .. }) => {
            start_undoing(tx, &row, Undo::Reject, UndoneBy::OrderService, now).await
        }
        _ => Ok(()),
    }
}

/// Repeats for an application that the older state has as called what happened to it since.
async fn repeat_called(tx: &mut Tx, event: &EventId, record: &QueueRecord, now: Millis) -> Result<(), Error> {
    let Some(row) = lock_application(tx, event, record.app_key).await? else { return Ok(()) };
    if !matches!(row.state, ApplicationState::Called { .. }) {
        return Ok(());
    }
    match (record.outcome, record.called) {
        (Some(outcome), Some(_)) => end(tx, &row, outcome, record.order_no.as_deref(), now).await,
        (Some(outcome @ Outcome::Expired), _) => end(tx, &row, outcome, None, now).await,
        (Some(Outcome::Ordered | Outcome::Rejected), _) => confirm(tx, &row, now).await,
        (None, Some(window)) if window.confirmed => confirm(tx, &row, now).await,
        (None, Some(window)) => raise_window(tx, &row, window).await,
        _ => Ok(()),
    }
}

/// Gives a called applicant the time that the queue shows, if that is longer.
async fn raise_window(tx: &mut Tx, row: &ApplicationRow, window: CalledWindow) -> Result<(), Error> {
    sqlx::query(
        "UPDATE application SET called_until = $3, extended = CASE WHEN extended < $4 THEN $4 ELSE extended END, projected_epoch = 0
         WHERE event = $1 AND app_key = $2 AND called_until < $3",
    )
    .bind(row.event.as_str()).bind(row.app_key.to_string()).bind(window.until).bind(i64::from(window.extended))
    .execute(&mut **tx).await?;
    Ok(())
}

/// Whether an application is under way that may free its seat. A called one is not: while the reconciliation lasts, neither its report
/// nor the end of its time is handled.
async fn is_under_way(tx: &mut Tx, event: &EventId) -> Result<bool, Error> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS under_way FROM application WHERE event = $1 AND state IN ('ordering', 'undoing')",
    )
    .bind(event.as_str())
    .fetch_one(&mut **tx)
    .await?;
    Ok(count(&row, "under_way")? > 0)
}

/// Inserts applications, each with a held seat: one that did not confirm as called, any other as if an order call was made before.
async fn seat_again(
    tx: &mut Tx,
    event: &EventId,
    records: &[&QueueRecord],
    seats: &[i64],
    now: Millis,
) -> Result<(), Error> {
    if records.is_empty() {
        return Ok(());
    }
    let row = |(record, seat): (&&QueueRecord, &i64)| {
        let state = match record.is_cancelled() {
            _ if record.is_unconfirmed() => "called",
            true => "undoing",
            false => "ordering",
        };
        json!({
            "number": record.number, "key": record.app_key.to_string(), "seat": seat, "state": state,
            "undo": (state == "undoing").then_some("cancel"), "attempts": i32::from(state != "called"),
            "until": record.called.map(|window| window.until), "extended": i32::from(record.called.is_some_and(|window| window.extended)),
        })
    };
    let rows = json!(records.iter().zip(seats).map(row).collect::<Vec<_>>()).to_string();
    sqlx::query(
        "INSERT INTO application (event, app_key, number, state, undo, seat, attempts, admitted_at, called_until, extended)
         SELECT $1, value ->> 'key', CAST(value ->> 'number' AS BIGINT), value ->> 'state', value ->> 'undo',
             CAST(value ->> 'seat' AS BIGINT), CAST(value ->> 'attempts' AS BIGINT), $3,
             CAST(value ->> 'until' AS BIGINT), CAST(value ->> 'extended' AS BIGINT)
         FROM json_each($2) AS one",
    )
    .bind(event.as_str()).bind(&rows).bind(now)
    .execute(&mut **tx).await?;
    hold_seats(tx, event, &rows, records.len()).await
}
