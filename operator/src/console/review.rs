//! Reviewing a change, applying it, and undoing it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use domain::EventId;
use ledger::EventRow;

use super::error_page::{self, finish};
use super::form::{Form, FormResult, Requested};
use super::sheet::{self, Sheet, needs};
use super::visit::Visit;
use crate::api::applications::end_parked;
use crate::api::change;
use crate::api::undo::undo_change;
use crate::effects;
use crate::error::Error;
use crate::request::{EventPath, audited_by};
use crate::response::{ChangeResponse, ChangeSeverity};
use crate::state::OperatorState;

type PathResult = Result<EventPath, Error>;

/// Shows what a change would do.
pub(super) async fn review(
    State(state): State<Arc<OperatorState>>,
    visit: Visit,
    path: PathResult,
) -> Response {
    let form = Form(visit.query.clone());
    let page = async {
        visit.operator()?;
        let EventPath(event) = path?;
        let row = state.event(&event).await?;
        let sheet = Sheet { row: &row, form: &form, error: String::new(), status: StatusCode::OK };
        sheet::page(&state, &visit, sheet).await
    };
    let page = page.await;
    finish(&visit, page)
}

/// Applies the change that was reviewed, and returns to the event. If another operator was faster, the sheet shows what changed.
pub(super) async fn apply(
    State(state): State<Arc<OperatorState>>,
    visit: Visit,
    path: PathResult,
    fields: FormResult,
) -> Response {
    let form = Form(fields.map(|axum::Form(fields)| fields).unwrap_or_default());
    let page = async {
        visit.operator()?;
        let EventPath(event) = path?;
        let row = state.event(&event).await?;
        match try_apply(&state, &visit, &row, &form).await {
            Ok(change) => Ok(Redirect::to(&format!("/console/{event}?done={}", change.rev)).into_response()),
            Err(Refusal { status, text }) => again(&state, &visit, &event, &form, status, text).await,
        }
    };
    let page = page.await;
    finish(&visit, page)
}

/// Why a change was not applied.
struct Refusal {
    status: StatusCode,
    text: String,
}

impl Refusal {
    fn of(visit: &Visit, error: &Error) -> Self {
        // The sheet itself shows what was changed meanwhile.
        let is_stale = matches!(error, Error::Stale { .. } | Error::StaleRev);
        let (title, text) = error_page::describe(visit, error);
        let text = if is_stale { String::new() } else { format!("{title}: {text}") };
        Self { status: error.status(), text }
    }

    fn input(text: &str) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, text: text.to_owned() }
    }
}

async fn try_apply(
    state: &OperatorState,
    visit: &Visit,
    row: &EventRow,
    form: &Form,
) -> Result<ChangeResponse, Refusal> {
    let refuse = |error: Error| Refusal::of(visit, &error);
    let actor = visit.operator().map_err(refuse)?.name.clone();
    let requested = form.requested(&row.settings).map_err(refuse)?;
    let reason = form.reason().map_err(refuse)?;
    let severity = severity(state, row, &requested).await.map_err(refuse)?;
    let needs = needs(&requested, severity);
    if needs.reason && reason.is_none() {
        return Err(Refusal::input(visit.t.reason_missing));
    }
    if needs.confirm && form.get("confirm") != row.settings.id.as_str() {
        return Err(Refusal::input(visit.t.confirm_wrong));
    }
    let by = audited_by(&actor, reason.as_ref());
    let event = &row.settings.id;
    let applied = match requested {
        Requested::Parked(decision, app_key) => end_parked(state, event, app_key, decision, by).await,
        Requested::Change(change) => change::apply(state, event, form.rev(), &change, by).await,
    };
    applied.map_err(refuse)
}

/// The severity decides what must be confirmed. A change at an old rev is refused anyway, by the ledger.
async fn severity(
    state: &OperatorState,
    row: &EventRow,
    requested: &Requested,
) -> Result<ChangeSeverity, Error> {
    let Requested::Change(change) = requested else { return Ok(ChangeSeverity::Moderate) };
    let live = state.live(&row.settings.id).await?;
    Ok(effects::preview(row, &live, change, (state.now)())?.severity)
}

/// The sheet again, with the reason for the refusal.
async fn again(
    state: &OperatorState,
    visit: &Visit,
    event: &EventId,
    form: &Form,
    status: StatusCode,
    error: String,
) -> Result<Response, Error> {
    let row = state.event(event).await?;
    sheet::page(state, visit, Sheet { row: &row, form, error, status }).await
}

/// Undoes a change, and returns to the event.
pub(super) async fn undo(
    State(state): State<Arc<OperatorState>>,
    visit: Visit,
    path: PathResult,
    fields: FormResult,
) -> Response {
    let form = Form(fields.map(|axum::Form(fields)| fields).unwrap_or_default());
    let page = async {
        let actor = visit.operator()?.name.clone();
        let EventPath(event) = path?;
        let rev = form.rev().ok_or(Error::UnknownChange)?;
        let undone = undo_change(&state, &event, rev, audited_by(&actor, None)).await?;
        Ok(Redirect::to(&format!("/console/{event}?done={}", undone.rev)).into_response())
    };
    let page = page.await;
    finish(&visit, page)
}
