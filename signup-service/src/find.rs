//! Finding an application by phone and recovery code. All that does not match is answered alike, and tries are counted.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::{Number, Receipt, Right};

use crate::error::{Error, localised};
use crate::error_docs::Finding;
use crate::fields::{self, FindBody, Seeker, Typed, Written};
use crate::pages;
use crate::proof::Proof;
use crate::request;
use crate::request_body::{Client, Posted, see_other};
use crate::state::SignupState;
use crate::status::{Own, OwnState, guid_header, no_store};
use service::Language;

/// Finds an application by phone and recovery code, and answers with the full receipt.
#[utoipa::path(post, path = "/application/com/v1/find/application", request_body = FindBody,
    responses((status = 200, body = Proof, headers(("GUID" = String))), Finding))]
pub(crate) async fn find(
    State(signup): State<Arc<SignupState>>,
    client: Client,
    Posted { headers, body }: Posted,
) -> Response {
    let typed =
        Written::is_form(&headers).then(|| body.as_ref().map(|body| Typed::read(body)).unwrap_or_default());
    let language = Language::of_client(&headers);
    match (seek(&signup, &client, &headers, typed.as_ref(), body).await, typed) {
        (Ok(own), Some(_)) => see_other(&format!("/a/{}", own.text)),
        (Ok(own), None) => {
            let told = [guid_header(own.receipt.app_key), no_store()];
            localised((told, Json(Proof::of(&own, true, &signup))).into_response(), language)
        }
        (Err(error), Some(typed)) => pages::not_found_by_code(&signup, &headers, &typed, &error),
        (Err(error), None) => error.problem(language, &signup.rng),
    }
}

async fn seek(
    signup: &SignupState,
    client: &Client,
    headers: &HeaderMap,
    typed: Option<&Typed>,
    body: Result<Bytes, Error>,
) -> Result<Own, Error> {
    request::from_our_site(headers)?;
    Written::of(headers)?;
    let body = body?;
    let seeker = match typed {
        Some(typed) => fields::seeker_of_form(typed)?,
        None => fields::seeker_of_json(&body)?,
    };
    match_code(signup, client, &seeker).await
}

async fn match_code(signup: &SignupState, client: &Client, seeker: &Seeker) -> Result<Own, Error> {
    let documents = signup.documents(&seeker.event).map_err(|error| match error {
        Error::NotReady => Error::Safe,
        other => other,
    })?;
    let keys = documents.keys.as_ref().ok_or(Error::Safe)?;
    let event = documents.view.event.clone();
    let app_key = keys.app_key(&seeker.phone);
    signup.count_attempt(*client, &event, app_key)?;
    let row = signup.queue.entry(&event, app_key).await.map_err(|refused| Error::of_look_up(&refused))?;
    // A code is computed even without an application, so that the time of a response shows nothing either.
    let number = row.as_ref().map_or_else(|| Number::new(1), |row| Some(row.number)).ok_or(Error::NoMatch)?;
    let matches = keys.recovers(&seeker.code, app_key, number);
    let row = row.filter(|_| matches).ok_or(Error::NoMatch)?;
    let receipt = Receipt { event, epoch: documents.view.epoch, number, app_key, right: Right::Full };
    let state = OwnState::of_row(&row);
    let order_no = row.outcome.and_then(|shown| shown.order_no);
    Ok(Own::of(receipt.sign(&signup.keys), receipt, state, order_no, documents))
}
