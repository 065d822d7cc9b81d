//! Cancelling: with the full receipt, as often as one likes. The desk passes the wish on; the book decides.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::{AppKey, Millis, Number, Outcome, Right};
use queue::AskKind;
use serde::Serialize;
use utoipa::ToSchema;

use crate::desk::Desk;
use crate::fields::Written;
use crate::knock;
use crate::pages;
use crate::refusal::{Refusal, localised};
use crate::refusals::OfReceipt;
use crate::routes::{PathId, see_other};
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
    /// `cancelled`, `cancelling` as long as the book has not decided, or how the application had ended before.
    state: &'static str,
    server_time_ms: Millis,
}

/// Asks to cancel; asking again is harmless.
#[utoipa::path(post, path = "/application/com/v1/cancel/application/{receipt}", params(("receipt" = String, Path)),
    responses((status = 202, body = Cancelling, headers(("GUID" = String))), OfReceipt))]
pub(crate) async fn cancel(
    State(desk): State<Arc<Desk>>,
    PathId(text): PathId,
    headers: HeaderMap,
) -> Response {
    let language = Language::of_client(&headers);
    match (ask(&desk, &text, &headers).await, Written::is_form(&headers)) {
        // What the line has not decided by itself it does not show yet: the page must remember that it asked.
        (Ok(asked), true) if asked.answer.state == "cancelling" => {
            see_other(&format!("/a/{text}?asked=cancel"))
        }
        (Ok(_), true) => see_other(&format!("/a/{text}")),
        (Ok(asked), false) => {
            let told = [guid_header(asked.app_key), no_store()];
            localised((StatusCode::ACCEPTED, told, Json(asked.answer)).into_response(), language)
        }
        (Err(refusal), true) => pages::told(&desk, &headers, &refusal),
        (Err(refusal), false) => refusal.problem(language, &desk.chance),
    }
}

async fn ask(desk: &Desk, text: &str, headers: &HeaderMap) -> Result<Asked, Refusal> {
    knock::from_our_site(headers)?;
    let (receipt, sheet) = desk.receipt(text)?;
    if receipt.right != Right::Full {
        return Err(Refusal::ViewOnly);
    }
    let asked = desk.line.ask(&receipt.event, receipt.app_key, receipt.number, AskKind::Cancel).await;
    let row = asked.map_err(|refused| Refusal::of_look_up(&refused))?.ok_or(Refusal::Safe)?;
    let state = after_asking(OwnState::of_row(&row));
    tracing::info!(
        target: "business",
        guid = receipt.app_key.guid(),
        event = receipt.event.as_str(),
        number = receipt.number.get(),
        trace = knock::trace_id(headers).map_or_else(|| desk.random_id(), str::to_owned),
        state,
        "cancel asked"
    );
    let server_time_ms = sheet.line_time(desk.now());
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
