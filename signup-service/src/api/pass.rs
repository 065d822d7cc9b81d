//! The pass of a called applicant.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use domain::{Millis, Number};
use serde::Serialize;
use service::Language;
use utoipa::ToSchema;

use crate::error::Error;
use crate::error_docs::CalledErrors;
use crate::handover;
use crate::issued_pass::IssuedPass;
use crate::pages;
use crate::request::{ContentType, PathParameter, reject_cross_site};
use crate::response::PersonalResponse;
use crate::state::SignupState;

/// A pass.
#[derive(Serialize, ToSchema)]
struct PassResponse<'a> {
    event: &'a str,
    #[schema(value_type = u32)]
    number: Number,
    /// The pass: a JWT signed with Ed25519.
    pass: &'a str,
    /// When it ends: the end of the applicant's time, by the queue's clock.
    expires_at_ms: Millis,
    /// The page of the shop that it is for.
    target: &'a str,
    server_time_ms: Millis,
}

impl<'a> PassResponse<'a> {
    fn of(issued: &'a IssuedPass) -> Self {
        Self {
            event: issued.receipt.event.as_str(),
            number: issued.receipt.number,
            pass: &issued.token,
            expires_at_ms: issued.expires_at,
            target: issued.target(),
            server_time_ms: issued.now,
        }
    }
}

/// Issues the pass of a called applicant, in events of kind `pass`. It can be requested again: every pass of an application has the
/// same `sub`, and ends with the applicant's time. A form is answered with the way to the shop.
#[utoipa::path(post, path = "/application/com/v1/create/pass/{receipt}", params(("receipt" = String, Path)),
    responses((status = 201, body = PassResponse, headers(("GUID" = String))), CalledErrors))]
pub(crate) async fn create_pass(
    State(signup): State<Arc<SignupState>>,
    PathParameter(receipt): PathParameter,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let result = issue(&signup, &receipt, &headers).await;
    if ContentType::is_form(&headers) {
        return Ok(match result {
            Ok(issued) => handover::to_shop(&signup, &issued, &receipt, &headers),
            Err(error) => pages::forms::receipt_error(&signup, &headers, &error).into_response(),
        });
    }
    let issued = result?;
    let (app_key, language) = (issued.receipt.app_key, Language::of_client(&headers));
    let body = PassResponse::of(&issued);
    Ok(PersonalResponse { status: StatusCode::CREATED, app_key, language, body }.into_response())
}

async fn issue(signup: &SignupState, receipt: &str, headers: &HeaderMap) -> Result<IssuedPass, Error> {
    reject_cross_site(headers)?;
    let issued = signup.issue_pass(receipt).await?;
    tracing::info!(
        target: "business",
        guid = issued.receipt.app_key.guid(),
        event = issued.receipt.event.as_str(),
        number = issued.receipt.number.get(),
        trace = service::trace::trace_id(headers).map_or_else(|| signup.random_id(), str::to_owned),
        "pass issued"
    );
    Ok(issued)
}
