//! The inbox: requests of applicants are decided in the ledger, and only here.

use domain::application::Step;
use domain::{
    AppKey, ApplicationState, DomainEventKind, EventId, EventSettings, Fence, Kind, Millis, Number, Outcome,
};

use crate::leader::freeze::freeze;
use crate::leader::known_applications::{Comparison, KnownApplications};
use crate::leader::leader_lease::lock_led_event;
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::store::transaction::Tx;
use crate::tables::application::{UndoneBy, lock_application};
use crate::tables::event::{EventRow, raise_changes};
use crate::tables::outbox::{self, ApplicationFact};
use crate::tables::transition::{confirm, end, extend, outcome_fields, refuse_order, start_undoing};

/// What an applicant requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InboxAction {
    /// To cancel the application.
    Cancel,
    /// To go on: the called applicant confirms.
    Confirm,
    /// More time.
    Extend,
    /// The shop reports an order.
    ReportOrdered {
        /// Its number.
        order_no: String,
    },
    /// The shop reports that there is no order.
    ReportReleased,
}

/// A request of an applicant, from the queue's inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxRequest {
    /// The position in the inbox.
    pub id: i64,
    /// When the queue wrote it.
    pub at: Millis,
    /// What is requested.
    pub action: InboxAction,
    /// The key of the application.
    pub app_key: AppKey,
    /// The number of the application.
    pub number: Number,
}

impl Ledger {
    /// Handles requests, in order, and records that the inbox is handled through `through`, in one transaction. Returns the
    /// event's count of changes after that. Fails if the event has fewer than `changes_min` before.
    pub async fn handle_inbox(
        &self,
        event: &EventId,
        fence: Fence,
        requests: &[InboxRequest],
        through: i64,
        changes_min: i64,
    ) -> Result<i64, Error> {
        let mut tx = self.begin().await?;
        let led = lock_led_event(self, &mut tx, event, fence).await?;
        led.event.require_changes(changes_min)?;
        let handled = led.event.inbox_through;
        let unhandled = || requests.iter().filter(|request| request.id > handled);
        let named = unhandled().map(|request| (request.number, request.app_key));
        let mut known = KnownApplications::read(&mut tx, event, named).await?;
        for request in unhandled() {
            match known.compare(request.number, request.app_key) {
                Comparison::New if request.action == InboxAction::Cancel => {
                    let (number, app_key) = (request.number, request.app_key);
                    record_ended(&mut tx, event, number, app_key, Outcome::Cancelled, led.now).await?;
                    known.add(number, app_key);
                }
                // An application that is not in the ledger was not called.
                Comparison::New => {}
                Comparison::Known => decide(&mut tx, &led.event, request, led.now).await?,
                Comparison::Contradicts(why) => return freeze(self, tx, event, fence, why).await,
            }
        }
        sqlx::query("UPDATE event SET inbox_through = $2 WHERE id = $1")
            .bind(event.as_str())
            .bind(through.max(handled))
            .execute(&mut *tx)
            .await?;
        let changes = raise_changes(&mut tx, event).await?;
        tx.commit().await?;
        Ok(changes)
    }
}

/// Decides a request about an application of the ledger.
async fn decide(tx: &mut Tx, event: &EventRow, request: &InboxRequest, now: Millis) -> Result<(), Error> {
    let EventSettings { id, kind, extension_ms, .. } = &event.settings;
    let step = match (&request.action, kind) {
        (InboxAction::Cancel, _) => return cancel(tx, id, *kind, request.app_key, now).await,
        (InboxAction::ReportOrdered { order_no }, Kind::Pass) => {
            return report_ordered(tx, id, request, order_no, now).await;
        }
        (InboxAction::Confirm, Kind::Confirm) => Step::Confirm { at: request.at },
        (InboxAction::Extend, _) => Step::Extend { at: request.at, by: *extension_ms },
        (InboxAction::ReportReleased, Kind::Pass) => Step::ReportReleased,
        _ => return Ok(()),
    };
    take_step(tx, id, request.app_key, step, now).await
}

/// Takes an application to its next state, if it allows this step.
pub(crate) async fn take_step(
    tx: &mut Tx,
    event: &EventId,
    app_key: AppKey,
    step: Step,
    now: Millis,
) -> Result<(), Error> {
    let Some(mut row) = lock_application(tx, event, app_key).await? else { return Ok(()) };
    if step == Step::ReportReleased {
        row.undo_by = Some(UndoneBy::Shop);
    }
    match row.state.after(step) {
        Some(ApplicationState::Ordering { .. }) => confirm(tx, &row, now).await,
        Some(ApplicationState::Called { until, .. }) => extend(tx, &row, until).await,
        Some(ApplicationState::Ended(outcome)) => end(tx, &row, outcome, None, now).await,
        _ => Ok(()),
    }
}

/// Sells the seat to a called applicant whose order the shop reports. If the applicant has no seat any more, the shop has to delete the
/// order.
async fn report_ordered(
    tx: &mut Tx,
    event: &EventId,
    request: &InboxRequest,
    order_no: &str,
    now: Millis,
) -> Result<(), Error> {
    let Some(row) = lock_application(tx, event, request.app_key).await? else { return Ok(()) };
    match row.state.after(Step::ReportOrdered) {
        Some(ApplicationState::Ended(outcome)) => end(tx, &row, outcome, Some(order_no), now).await,
        _ if row.order_no.as_deref() == Some(order_no) => Ok(()),
        _ => refuse_order(tx, &row, order_no, now).await,
    }
}

/// Inserts an application that ended without the ledger: a row without a seat. It was withdrawn before its admission, or the ledger
/// has lost it.
pub(crate) async fn record_ended(
    tx: &mut Tx,
    event: &EventId,
    number: Number,
    app_key: AppKey,
    outcome: Outcome,
    now: Millis,
) -> Result<(), Error> {
    sqlx::query("INSERT INTO application (event, app_key, number, state, outcome, admitted_at, ended_at) VALUES ($1, $2, $3, 'ended', $4, $5, $5)")
        .bind(event.as_str()).bind(app_key.to_string()).bind(i64::from(number)).bind(outcome.as_str()).bind(now)
        .execute(&mut **tx).await?;
    let Some(kind) = DomainEventKind::of_outcome(outcome) else { return Ok(()) };
    let fields = outcome_fields(outcome, None, None, now);
    outbox::post(tx, &ApplicationFact { event, app_key, number, version: 0, kind, fields }, now).await
}

/// Cancels an admitted application: at once while its applicant is called, otherwise the order is undone first. An application that
/// ended with another outcome stays as it is, and so does an order that the shop made itself: only the shop can cancel it.
pub(crate) async fn cancel(
    tx: &mut Tx,
    event: &EventId,
    kind: Kind,
    app_key: AppKey,
    now: Millis,
) -> Result<(), Error> {
    let Some(row) = lock_application(tx, event, app_key).await? else { return Ok(()) };
    if kind == Kind::Pass && row.state == ApplicationState::Ended(Outcome::Ordered) {
        return Ok(());
    }
    match row.state.after(Step::RequestCancel) {
        Some(ApplicationState::Ended(outcome)) => end(tx, &row, outcome, None, now).await,
        Some(ApplicationState::Undoing { undo, .. }) => {
            start_undoing(tx, &row, undo, UndoneBy::Applicant, now).await
        }
        _ => Ok(()),
    }
}
