//! Opening, closing, settling; pausing, resuming, draining; and what an operator says after having looked. `If-Match` is honoured
//! here and not asked for: who pauses in an emergency must not be sent back to read first.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use domain::EventId;
use ledger::{By, Change};

use crate::auth::{EventPath, IfMatch, Operator, RevTold};
use crate::error::{Error, Turning};
use crate::events::answer;
use crate::request::{Because, Given, MaybeBecause, by};
use crate::response::ChangeShown;
use crate::state::OperatorState;

/// Has the ledger make a change, and tells what it did.
pub(crate) async fn change(
    state: &OperatorState,
    event: &EventId,
    if_rev: Option<i64>,
    change: &Change,
    by: By<'_>,
) -> Result<Response, Error> {
    let changed = match state.write(state.ledger.change(event, if_rev, change, by)).await {
        Err(Error::StaleAt) => {
            let current = state.response(state.event(event).await?).await?;
            return Err(Error::Stale(Box::new(current)));
        }
        changed => changed?,
    };
    if let Some(row) = &changed.change {
        tracing::info!(%event, rev = row.rev, actor = by.actor, action = change.action(), "changed");
    }
    let now = (state.now)();
    let response = changed
        .change
        .map_or_else(|| ChangeShown::none(&changed.event, change.action(), by.actor, now), ChangeShown::of);
    Ok(([response.etag()], Json(response)).into_response())
}

/// A valve that may be turned without saying why.
async fn turn(
    state: &OperatorState,
    wish: Change,
    who: (Operator, EventPath, IfMatch),
    request: MaybeBecause,
) -> Response {
    let (Operator(actor), EventPath(event), IfMatch(rev)) = who;
    answer(state, change(state, &event, rev, &wish, by(&actor, request.reason.as_ref())).await)
}

/// A valve for which a reason is needed: it sends somebody away, or cannot be turned back.
async fn turn_because(
    state: &OperatorState,
    wish: Change,
    who: (Operator, EventPath, IfMatch),
    request: Because,
) -> Response {
    let (Operator(actor), EventPath(event), IfMatch(rev)) = who;
    answer(state, change(state, &event, rev, &wish, by(&actor, Some(&request.reason))).await)
}

/// Opens the event now.
#[utoipa::path(post, path = "/event/adm/v1/open/event/{event}", request_body = MaybeBecause, params(("event" = String, Path),
    RevTold), responses((status = 200, body = ChangeShown, headers(("ETag" = String))), Turning))]
pub(crate) async fn open(
    State(state): State<Arc<OperatorState>>,
    operator: Operator,
    event: EventPath,
    rev: IfMatch,
    Given(request): Given<MaybeBecause>,
) -> Response {
    turn(&state, Change::Open, (operator, event, rev), request).await
}

/// Closes the event now, for good: nobody can apply any more; who is in the queue still gets their turn.
#[utoipa::path(post, path = "/event/adm/v1/close/event/{event}", request_body = Because, params(("event" = String, Path),
    RevTold), responses((status = 200, body = ChangeShown, headers(("ETag" = String))), Turning))]
pub(crate) async fn close(
    State(state): State<Arc<OperatorState>>,
    operator: Operator,
    event: EventPath,
    rev: IfMatch,
    Given(request): Given<Because>,
) -> Response {
    turn_because(&state, Change::Close, (operator, event, rev), request).await
}

/// Settles a closed event: when no order is under way any more, whoever still waits is told that it is sold out.
#[utoipa::path(post, path = "/event/adm/v1/settle/event/{event}", request_body = Because, params(("event" = String, Path),
    RevTold), responses((status = 200, body = ChangeShown, headers(("ETag" = String))), Turning))]
pub(crate) async fn settle(
    State(state): State<Arc<OperatorState>>,
    operator: Operator,
    event: EventPath,
    rev: IfMatch,
    Given(request): Given<Because>,
) -> Response {
    turn_because(&state, Change::Settle, (operator, event, rev), request).await
}

/// Starts no order call any more; those under way finish. People may go on applying.
#[utoipa::path(post, path = "/gate/adm/v1/pause/release/{event}", request_body = MaybeBecause, params(("event" = String, Path),
    RevTold), responses((status = 200, body = ChangeShown, headers(("ETag" = String))), Turning))]
pub(crate) async fn pause(
    State(state): State<Arc<OperatorState>>,
    operator: Operator,
    event: EventPath,
    rev: IfMatch,
    Given(request): Given<MaybeBecause>,
) -> Response {
    turn(&state, Change::Pause, (operator, event, rev), request).await
}

/// Moves people and makes orders again, at the pace and without a burst.
#[utoipa::path(post, path = "/gate/adm/v1/resume/release/{event}", request_body = MaybeBecause, params(("event" = String, Path),
    RevTold), responses((status = 200, body = ChangeShown, headers(("ETag" = String))), Turning))]
pub(crate) async fn resume(
    State(state): State<Arc<OperatorState>>,
    operator: Operator,
    event: EventPath,
    rev: IfMatch,
    Given(request): Given<MaybeBecause>,
) -> Response {
    turn(&state, Change::Resume, (operator, event, rev), request).await
}

/// Moves nobody any more; the orders of those who were admitted are made.
#[utoipa::path(post, path = "/gate/adm/v1/drain/release/{event}", request_body = Because, params(("event" = String, Path),
    RevTold), responses((status = 200, body = ChangeShown, headers(("ETag" = String))), Turning))]
pub(crate) async fn drain(
    State(state): State<Arc<OperatorState>>,
    operator: Operator,
    event: EventPath,
    rev: IfMatch,
    Given(request): Given<Because>,
) -> Response {
    turn_because(&state, Change::Drain, (operator, event, rev), request).await
}

/// Moves on without waiting for those whom the queue forgot; they may be passed over.
#[utoipa::path(post, path = "/gate/adm/v1/accept/recovery/{event}", request_body = Because, params(("event" = String, Path),
    RevTold), responses((status = 200, body = ChangeShown, headers(("ETag" = String))), Turning))]
pub(crate) async fn accept(
    State(state): State<Arc<OperatorState>>,
    operator: Operator,
    event: EventPath,
    rev: IfMatch,
    Given(request): Given<Because>,
) -> Response {
    turn_because(&state, Change::AcceptRecovery, (operator, event, rev), request).await
}

/// Moves people again after an operator looked at why the event is frozen.
#[utoipa::path(post, path = "/gate/adm/v1/unfreeze/event/{event}", request_body = Because, params(("event" = String, Path),
    RevTold), responses((status = 200, body = ChangeShown, headers(("ETag" = String))), Turning))]
pub(crate) async fn unfreeze(
    State(state): State<Arc<OperatorState>>,
    operator: Operator,
    event: EventPath,
    rev: IfMatch,
    Given(request): Given<Because>,
) -> Response {
    turn_because(&state, Change::Unfreeze, (operator, event, rev), request).await
}
