//! Opening, closing and settling an event; pausing, resuming and draining its release; ending a recovery or a freeze. `If-Match` is
//! optional here: an operator who pauses in an emergency must not have to read first.

use std::sync::Arc;

use axum::extract::State;
use ledger::Change;

use super::change::apply_request;
use crate::error::Error;
use crate::error_docs::ChangeRoute;
use crate::request::{ChangeRequest, IfMatchOptional, OptionalReason, RequiredReason};
use crate::response::ChangeResponse;
use crate::state::OperatorState;

/// Opens the event now.
#[utoipa::path(post, path = "/event/adm/v1/open/event/{event}", request_body = OptionalReason,
    params(("event" = String, Path), IfMatchOptional),
    responses((status = 200, body = ChangeResponse, headers(("ETag" = String))), ChangeRoute))]
pub(crate) async fn open(
    State(state): State<Arc<OperatorState>>,
    request: ChangeRequest<OptionalReason>,
) -> Result<ChangeResponse, Error> {
    apply_request(&state, &request, Change::Open).await
}

/// Closes the event now, for good: it accepts no more applications; waiting ones still get their turn.
#[utoipa::path(post, path = "/event/adm/v1/close/event/{event}", request_body = RequiredReason,
    params(("event" = String, Path), IfMatchOptional),
    responses((status = 200, body = ChangeResponse, headers(("ETag" = String))), ChangeRoute))]
pub(crate) async fn close(
    State(state): State<Arc<OperatorState>>,
    request: ChangeRequest<RequiredReason>,
) -> Result<ChangeResponse, Error> {
    apply_request(&state, &request, Change::Close).await
}

/// Settles a closed event: when no order is under way any more, applications that still wait are sold out.
#[utoipa::path(post, path = "/event/adm/v1/settle/event/{event}", request_body = RequiredReason,
    params(("event" = String, Path), IfMatchOptional),
    responses((status = 200, body = ChangeResponse, headers(("ETag" = String))), ChangeRoute))]
pub(crate) async fn settle(
    State(state): State<Arc<OperatorState>>,
    request: ChangeRequest<RequiredReason>,
) -> Result<ChangeResponse, Error> {
    apply_request(&state, &request, Change::Settle).await
}

/// Starts no more order calls; those under way finish. Applying goes on.
#[utoipa::path(post, path = "/gate/adm/v1/pause/release/{event}", request_body = OptionalReason,
    params(("event" = String, Path), IfMatchOptional),
    responses((status = 200, body = ChangeResponse, headers(("ETag" = String))), ChangeRoute))]
pub(crate) async fn pause(
    State(state): State<Arc<OperatorState>>,
    request: ChangeRequest<OptionalReason>,
) -> Result<ChangeResponse, Error> {
    apply_request(&state, &request, Change::Pause).await
}

/// Admits applications and starts order calls again, at the pace and without a burst.
#[utoipa::path(post, path = "/gate/adm/v1/resume/release/{event}", request_body = OptionalReason,
    params(("event" = String, Path), IfMatchOptional),
    responses((status = 200, body = ChangeResponse, headers(("ETag" = String))), ChangeRoute))]
pub(crate) async fn resume(
    State(state): State<Arc<OperatorState>>,
    request: ChangeRequest<OptionalReason>,
) -> Result<ChangeResponse, Error> {
    apply_request(&state, &request, Change::Resume).await
}

/// Admits no more applications; those already admitted are still ordered.
#[utoipa::path(post, path = "/gate/adm/v1/drain/release/{event}", request_body = RequiredReason,
    params(("event" = String, Path), IfMatchOptional),
    responses((status = 200, body = ChangeResponse, headers(("ETag" = String))), ChangeRoute))]
pub(crate) async fn drain(
    State(state): State<Arc<OperatorState>>,
    request: ChangeRequest<RequiredReason>,
) -> Result<ChangeResponse, Error> {
    apply_request(&state, &request, Change::Drain).await
}

/// Ends the recovery: admission goes on without applications that the queue lost and that were not restored yet.
#[utoipa::path(post, path = "/gate/adm/v1/accept/recovery/{event}", request_body = RequiredReason,
    params(("event" = String, Path), IfMatchOptional),
    responses((status = 200, body = ChangeResponse, headers(("ETag" = String))), ChangeRoute))]
pub(crate) async fn accept(
    State(state): State<Arc<OperatorState>>,
    request: ChangeRequest<RequiredReason>,
) -> Result<ChangeResponse, Error> {
    apply_request(&state, &request, Change::AcceptRecovery).await
}

/// Resumes admission after an operator examined why the event was frozen.
#[utoipa::path(post, path = "/gate/adm/v1/unfreeze/event/{event}", request_body = RequiredReason,
    params(("event" = String, Path), IfMatchOptional),
    responses((status = 200, body = ChangeResponse, headers(("ETag" = String))), ChangeRoute))]
pub(crate) async fn unfreeze(
    State(state): State<Arc<OperatorState>>,
    request: ChangeRequest<RequiredReason>,
) -> Result<ChangeResponse, Error> {
    apply_request(&state, &request, Change::Unfreeze).await
}
