//! The requests of a called applicant, with the full receipt: to confirm, and for more time. The queue stamps each with its clock; the
//! ledger decides.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use domain::{AppKey, Kind, Millis, Number, Outcome};
use queue::{CalledReply, CalledRequest};
use serde::Serialize;
use service::Language;
use utoipa::ToSchema;

use crate::application::{PublicState, VerifiedReceipt};
use crate::error::Error;
use crate::error_docs::CalledErrors;
use crate::pages;
use crate::request::{ContentType, PathParameter, reject_cross_site};
use crate::response::{PersonalResponse, see_other};
use crate::state::SignupState;

/// A request that the queue has stored.
#[derive(Serialize, ToSchema)]
struct CalledResponse {
    event: String,
    #[schema(value_type = u32)]
    number: Number,
    /// `ordering` after a confirmation, `called` after a request for more time, or the outcome that the application has already.
    state: &'static str,
    server_time_ms: Millis,
    #[serde(skip)]
    app_key: AppKey,
}

/// Confirms the application of a called applicant: its order is made. Confirming again has no further effect.
#[utoipa::path(post, path = "/application/com/v1/confirm/application/{receipt}", params(("receipt" = String, Path)),
    responses((status = 202, body = CalledResponse, headers(("GUID" = String))), CalledErrors))]
pub(crate) async fn confirm(
    State(signup): State<Arc<SignupState>>,
    PathParameter(receipt): PathParameter,
    headers: HeaderMap,
) -> Result<Response, Error> {
    respond(&signup, &receipt, &headers, CalledRequest::Confirm).await
}

/// Requests more time for a called applicant, once. The result of the application shows the new time within a second. Requesting it
/// again has no further effect.
#[utoipa::path(post, path = "/application/com/v1/extend/application/{receipt}", params(("receipt" = String, Path)),
    responses((status = 202, body = CalledResponse, headers(("GUID" = String))), CalledErrors))]
pub(crate) async fn extend(
    State(signup): State<Arc<SignupState>>,
    PathParameter(receipt): PathParameter,
    headers: HeaderMap,
) -> Result<Response, Error> {
    respond(&signup, &receipt, &headers, CalledRequest::Extend).await
}

async fn respond(
    signup: &SignupState,
    receipt: &str,
    headers: &HeaderMap,
    request: CalledRequest,
) -> Result<Response, Error> {
    let result = send(signup, receipt, headers, request).await;
    if ContentType::is_form(headers) {
        return Ok(match result {
            Ok(_) => see_other(&format!("/a/{receipt}")),
            Err(error) => pages::forms::receipt_error(signup, headers, &error).into_response(),
        });
    }
    let body = result?;
    let language = Language::of_client(headers);
    Ok(PersonalResponse { status: StatusCode::ACCEPTED, app_key: body.app_key, language, body }
        .into_response())
}

async fn send(
    signup: &SignupState,
    receipt: &str,
    headers: &HeaderMap,
    request: CalledRequest,
) -> Result<CalledResponse, Error> {
    reject_cross_site(headers)?;
    let VerifiedReceipt { receipt, documents } = signup.verify_full_receipt(receipt)?;
    let settings = &documents.snapshot.settings;
    match request {
        CalledRequest::Extend if settings.extension_ms == 0 => return Err(Error::NoExtension),
        // With a pass, the applicant orders at the shop.
        CalledRequest::Confirm if settings.kind == Kind::Pass => return Err(Error::NotCalled),
        CalledRequest::Extend | CalledRequest::Confirm => {}
    }
    let reply = signup.queue.request_called(&receipt.event, receipt.app_key, receipt.number, request).await;
    let reply = reply.map_err(|error| Error::of_lookup(&error))?.ok_or(Error::LookupFailed)?;
    let state = state_after(&reply, request)?.as_str();
    tracing::info!(
        target: "business",
        guid = receipt.app_key.guid(),
        event = receipt.event.as_str(),
        number = receipt.number.get(),
        trace = service::trace::trace_id(headers).map_or_else(|| signup.random_id(), str::to_owned),
        state,
        "{}", if request == CalledRequest::Confirm { "confirmed" } else { "more time requested" }
    );
    Ok(CalledResponse {
        event: receipt.event.to_string(),
        number: receipt.number,
        state,
        server_time_ms: documents.queue_time(signup.now()),
        app_key: receipt.app_key,
    })
}

/// The state after the request, or why it was refused. To confirm again after the order was made or rejected is no error.
fn state_after(reply: &CalledReply, request: CalledRequest) -> Result<PublicState, Error> {
    let state = PublicState::of_entry(&reply.entry);
    match state {
        state if reply.accepted => Ok(state),
        PublicState::Ended(Outcome::Ordered | Outcome::Rejected)
            if request == CalledRequest::Confirm && reply.entry.called.is_none() =>
        {
            Ok(state)
        }
        PublicState::Called(window) if !window.is_open(reply.now) => Err(Error::TimeOver),
        PublicState::Ended(Outcome::Expired) => Err(Error::TimeOver),
        _ => Err(Error::NotCalled),
    }
}
