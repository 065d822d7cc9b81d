//! Finding an application by phone and recovery code. Every mismatch gets the same response, and attempts are limited.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use domain::{Number, Receipt, Right};
use service::Language;

use crate::application::ApplicationView;
use crate::error::Error;
use crate::error_docs::FindErrors;
use crate::pages;
use crate::request::{
    ClientAddress, ContentType, FindBody, FindRequest, FormFields, PostRequest, reject_cross_site,
};
use crate::response::{PersonalResponse, ReceiptResponse, see_other};
use crate::state::SignupState;

/// Finds an application by phone and recovery code, and returns its full receipt.
#[utoipa::path(post, path = "/application/com/v1/find/application", request_body = FindBody,
    responses((status = 200, body = ReceiptResponse, headers(("GUID" = String))), FindErrors))]
pub(crate) async fn find(
    State(signup): State<Arc<SignupState>>,
    client: ClientAddress,
    request: PostRequest,
) -> Result<Response, Error> {
    if ContentType::is_form(&request.headers) {
        return Ok(find_by_form(&signup, client, request).await);
    }
    let PostRequest { headers, body } = request;
    check_headers(&headers)?;
    let application = find_application(&signup, client, &FindRequest::from_json(&body?)?).await?;
    let response = PersonalResponse {
        status: StatusCode::OK,
        app_key: application.receipt.app_key,
        language: Language::of_client(&headers),
        body: ReceiptResponse::of(&application, true, &signup),
    };
    Ok(response.into_response())
}

async fn find_by_form(signup: &SignupState, client: ClientAddress, request: PostRequest) -> Response {
    let PostRequest { headers, body } = request;
    let form = body.as_ref().map(|body| FormFields::parse(body)).unwrap_or_default();
    let result = async {
        check_headers(&headers)?;
        body?;
        find_application(signup, client, &FindRequest::from_form(&form)?).await
    };
    match result.await {
        Ok(application) => see_other(&format!("/a/{}", application.receipt_text)),
        Err(error) => pages::forms::find_error(signup, &headers, &form, &error).into_response(),
    }
}

fn check_headers(headers: &HeaderMap) -> Result<(), Error> {
    reject_cross_site(headers)?;
    ContentType::of(headers)?;
    Ok(())
}

async fn find_application(
    signup: &SignupState,
    client: ClientAddress,
    request: &FindRequest,
) -> Result<ApplicationView, Error> {
    let documents = signup.documents(request.event.as_str()).map_err(Error::into_lookup)?;
    let keys = documents.keys.as_ref().ok_or(Error::LookupFailed)?;
    let event = request.event.clone();
    let app_key = keys.app_key(&request.phone);
    signup.count_attempt(client, &event, app_key)?;
    let entry = signup.queue.entry(&event, app_key).await.map_err(|error| Error::of_lookup(&error))?;
    // A code is computed even without an application, so that the response time does not show whether there is one.
    let number =
        entry.as_ref().map_or_else(|| Number::new(1), |entry| Some(entry.number)).ok_or(Error::NoMatch)?;
    let matches = keys.recovers(&request.code, app_key, number);
    let entry = entry.filter(|_| matches).ok_or(Error::NoMatch)?;
    let receipt = Receipt { event, epoch: documents.snapshot.epoch, number, app_key, right: Right::Full };
    Ok(ApplicationView::of_entry(receipt.sign(&signup.keys), receipt, entry, documents))
}
