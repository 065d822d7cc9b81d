//! Cancelling an application with its full receipt. The signup service passes the request on; the ledger decides.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use domain::{AppKey, Kind, Millis, Number, Outcome};
use serde::Serialize;
use service::Language;
use utoipa::ToSchema;

use crate::application::{PublicState, VerifiedReceipt};
use crate::error::Error;
use crate::error_docs::ReceiptErrors;
use crate::pages;
use crate::request::{ContentType, PathParameter, reject_cross_site};
use crate::response::{PersonalResponse, see_other};
use crate::state::SignupState;

/// A cancel request that the queue has stored.
#[derive(Serialize, ToSchema)]
struct CancelResponse {
    event: String,
    #[schema(value_type = u32)]
    number: Number,
    /// `cancelled`, `cancelling` until the ledger has decided, or the outcome that the application had before.
    state: &'static str,
    server_time_ms: Millis,
    #[serde(skip)]
    app_key: AppKey,
}

/// Requests to cancel an application. Requesting it again has no further effect.
#[utoipa::path(post, path = "/application/com/v1/cancel/application/{receipt}", params(("receipt" = String, Path)),
    responses((status = 202, body = CancelResponse, headers(("GUID" = String))), ReceiptErrors))]
pub(crate) async fn cancel(
    State(signup): State<Arc<SignupState>>,
    PathParameter(receipt): PathParameter,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let result = request_cancel(&signup, &receipt, &headers).await;
    if ContentType::is_form(&headers) {
        return Ok(match result {
            // The queue does not show an undecided cancel request, so the page's address has to carry it.
            Ok(requested) if requested.state == "cancelling" => {
                see_other(&format!("/a/{receipt}?asked=cancel"))
            }
            Ok(_) => see_other(&format!("/a/{receipt}")),
            Err(error) => pages::forms::receipt_error(&signup, &headers, &error).into_response(),
        });
    }
    let body = result?;
    let language = Language::of_client(&headers);
    Ok(PersonalResponse { status: StatusCode::ACCEPTED, app_key: body.app_key, language, body }
        .into_response())
}

async fn request_cancel(
    signup: &SignupState,
    receipt: &str,
    headers: &HeaderMap,
) -> Result<CancelResponse, Error> {
    reject_cross_site(headers)?;
    let VerifiedReceipt { receipt, documents } = signup.verify_full_receipt(receipt)?;
    let entry = signup.queue.cancel(&receipt.event, receipt.app_key, receipt.number).await;
    let entry = entry.map_err(|error| Error::of_lookup(&error))?.ok_or(Error::LookupFailed)?;
    let state = state_after_request(PublicState::of_entry(&entry), documents.snapshot.settings.kind);
    tracing::info!(
        target: "business",
        guid = receipt.app_key.guid(),
        event = receipt.event.as_str(),
        number = receipt.number.get(),
        trace = service::trace::trace_id(headers).map_or_else(|| signup.random_id(), str::to_owned),
        state,
        "cancel requested"
    );
    Ok(CancelResponse {
        event: receipt.event.to_string(),
        number: receipt.number,
        state,
        server_time_ms: documents.queue_time(signup.now()),
        app_key: receipt.app_key,
    })
}

fn state_after_request(state: PublicState, kind: Kind) -> &'static str {
    match state {
        // The shop made the order itself, and only the shop cancels it.
        PublicState::Ended(Outcome::Ordered) if kind == Kind::Pass => "ordered",
        PublicState::Withdrawn | PublicState::Ended(Outcome::Cancelled) => "cancelled",
        PublicState::Waiting
        | PublicState::Called(_)
        | PublicState::Ordering
        | PublicState::Ended(Outcome::Ordered) => "cancelling",
        PublicState::Ended(outcome) => outcome.as_str(),
    }
}
