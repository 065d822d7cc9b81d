//! Cancelling: with the full receipt, as often as one likes. The signup service passes the request on; the ledger decides.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::{AppKey, Millis, Number, Outcome, Right};

use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{Error, localised};
use crate::error_docs::OfReceipt;
use crate::fields::Written;
use crate::pages;
use crate::request;
use crate::request_body::{PathId, see_other};
use crate::state::SignupState;
use crate::status::{OwnState, guid_header, no_store};
use service::Language;

struct Asked {
    app_key: AppKey,
    answer: Cancelling,
}

/// What came of asking to cancel.
#[derive(Serialize, ToSchema)]
struct Cancelling {
    event: String,
    #[schema(value_type = u32)]
    number: Number,
    /// `cancelled`, `cancelling` as long as the ledger has not decided, or how the application had ended before.
    state: &'static str,
    server_time_ms: Millis,
}

/// Asks to cancel; asking again is harmless.
#[utoipa::path(post, path = "/application/com/v1/cancel/application/{receipt}", params(("receipt" = String, Path)),
    responses((status = 202, body = Cancelling, headers(("GUID" = String))), OfReceipt))]
pub(crate) async fn cancel(
    State(signup): State<Arc<SignupState>>,
    PathId(text): PathId,
    headers: HeaderMap,
) -> Response {
    let language = Language::of_client(&headers);
    match (ask(&signup, &text, &headers).await, Written::is_form(&headers)) {
        // What the queue has not decided by itself it does not show yet: the page must remember that it asked.
        (Ok(asked), true) if asked.answer.state == "cancelling" => {
            see_other(&format!("/a/{text}?asked=cancel"))
        }
        (Ok(_), true) => see_other(&format!("/a/{text}")),
        (Ok(asked), false) => {
            let told = [guid_header(asked.app_key), no_store()];
            localised((StatusCode::ACCEPTED, told, Json(asked.answer)).into_response(), language)
        }
        (Err(error), true) => pages::told(&signup, &headers, &error),
        (Err(error), false) => error.problem(language, &signup.rng),
    }
}

async fn ask(signup: &SignupState, text: &str, headers: &HeaderMap) -> Result<Asked, Error> {
    request::from_our_site(headers)?;
    let (receipt, documents) = signup.receipt(text)?;
    if receipt.right != Right::Full {
        return Err(Error::ViewOnly);
    }
    let asked = signup.queue.cancel(&receipt.event, receipt.app_key, receipt.number).await;
    let row = asked.map_err(|refused| Error::of_look_up(&refused))?.ok_or(Error::Safe)?;
    let state = after_asking(OwnState::of_row(&row));
    tracing::info!(
        target: "business",
        guid = receipt.app_key.guid(),
        event = receipt.event.as_str(),
        number = receipt.number.get(),
        trace = service::trace::trace_id(headers).map_or_else(|| signup.random_id(), str::to_owned),
        state,
        "cancel asked"
    );
    let server_time_ms = documents.queue_time(signup.now());
    let answer =
        Cancelling { event: receipt.event.to_string(), number: receipt.number, state, server_time_ms };
    Ok(Asked { app_key: receipt.app_key, answer })
}

fn after_asking(state: OwnState) -> &'static str {
    match state {
        OwnState::Withdrawn | OwnState::Ended(Outcome::Cancelled) => "cancelled",
        OwnState::Waiting | OwnState::Ordering | OwnState::Ended(Outcome::Ordered) => "cancelling",
        OwnState::Ended(outcome) => outcome.as_str(),
    }
}
