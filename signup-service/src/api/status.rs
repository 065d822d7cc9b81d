//! The status of an application.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use service::Language;

use crate::error::Error;
use crate::error_docs::ReceiptErrors;
use crate::request::PathParameter;
use crate::response::{ApplicationStatus, PersonalResponse};
use crate::state::SignupState;

/// The application of a receipt, as the queue has it now.
#[utoipa::path(get, path = "/application/com/v1/get/application/{receipt}", params(("receipt" = String, Path)),
    responses((status = 200, body = ApplicationStatus, headers(("GUID" = String))), ReceiptErrors))]
pub(crate) async fn get(
    State(signup): State<Arc<SignupState>>,
    PathParameter(receipt): PathParameter,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Error> {
    let application = signup.application(&receipt).await?;
    let response = PersonalResponse {
        status: StatusCode::OK,
        app_key: application.receipt.app_key,
        language: Language::of_client(&headers),
        body: ApplicationStatus::of(&application, &signup),
    };
    Ok(response.into_response())
}
