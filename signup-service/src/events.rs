//! The public documents over HTTP. Each answer is a copy of bytes that the refresher made; nothing is read here.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::{EventState, Millis};
use serde::Serialize;
use utoipa::ToSchema;

use crate::documents::{Document, Facts, Progress};
use crate::error::Error;
use crate::error_docs::{OfAnyRequest, OfEvent};
use crate::request_body::PathId;
use crate::state::SignupState;
use crate::status::no_store;
use service::Language;

/// All events of the catalogue.
#[derive(Serialize, ToSchema)]
pub(crate) struct Listed<'a> {
    pub(crate) events: Vec<Facts<'a>>,
}

/// The queue's clock, for a countdown.
#[derive(Serialize, ToSchema)]
struct Clock<'a> {
    event: &'a str,
    #[schema(value_type = String, pattern = "^(scheduled|open|closed|settling|settled)$")]
    state: EventState,
    intake: bool,
    opens_at_ms: Millis,
    closes_at_ms: Millis,
    server_time_ms: Millis,
}

/// Where an event stands: the one document that every page polls.
///
/// Cacheable for a second; with one's number, the page does its sums itself.
#[utoipa::path(get, path = "/event/com/v1/get/progress/{event}",
    params(("event" = String, Path), ("If-None-Match" = Option<String>, Header)),
    responses((status = 200, body = Progress, headers(("ETag" = String))), (status = 304, description = "As you have it"), OfEvent))]
pub(crate) async fn progress(
    State(signup): State<Arc<SignupState>>,
    PathId(event): PathId,
    headers: HeaderMap,
) -> Response {
    let documents = signup.documents(&event);
    told(&signup, &headers, documents.as_ref().map(|documents| &documents.progress).map_err(Clone::clone))
}

/// Public facts of an event.
#[utoipa::path(get, path = "/event/com/v1/get/event/{event}",
    params(("event" = String, Path), ("If-None-Match" = Option<String>, Header)),
    responses((status = 200, body = Facts, headers(("ETag" = String))), (status = 304, description = "As you have it"), OfEvent))]
pub(crate) async fn event(
    State(signup): State<Arc<SignupState>>,
    PathId(event): PathId,
    headers: HeaderMap,
) -> Response {
    let documents = signup.documents(&event);
    told(&signup, &headers, documents.as_ref().map(|documents| &documents.facts).map_err(Clone::clone))
}

/// Public facts of all events.
#[utoipa::path(get, path = "/event/com/v1/list/event", params(("If-None-Match" = Option<String>, Header)),
    responses((status = 200, body = Listed, headers(("ETag" = String))), (status = 304, description = "As you have it"), OfAnyRequest))]
pub(crate) async fn list(State(signup): State<Arc<SignupState>>, headers: HeaderMap) -> Response {
    let catalogue = signup.catalogue();
    told(&signup, &headers, catalogue.list.as_ref().ok_or(Error::NotReady))
}

/// The queue's clock, never from a cache, for the countdown.
#[utoipa::path(get, path = "/event/com/v1/get/time/{event}", params(("event" = String, Path)),
    responses((status = 200, body = Clock), OfEvent))]
pub(crate) async fn time(
    State(signup): State<Arc<SignupState>>,
    PathId(event): PathId,
    headers: HeaderMap,
) -> Response {
    let documents = match signup.documents(&event) {
        Ok(documents) => documents,
        Err(error) => return error.problem(Language::of_client(&headers), &signup.rng),
    };
    let (now, settings) = (signup.now(), &documents.view.settings);
    let clock = Clock {
        event: settings.id.as_str(),
        state: documents.state(now),
        intake: settings.intake,
        opens_at_ms: settings.opens_at,
        closes_at_ms: settings.closes_at,
        server_time_ms: documents.queue_time(now),
    };
    ([no_store()], Json(clock)).into_response()
}

fn told(signup: &SignupState, headers: &HeaderMap, document: Result<&Document, Error>) -> Response {
    let document = match document {
        Ok(document) => document,
        Err(error) => return error.problem(Language::of_client(headers), &signup.rng),
    };
    let fresh = HeaderValue::from_static("public, max-age=1, stale-while-revalidate=4");
    let told = [(header::ETAG, document.etag.clone()), (header::CACHE_CONTROL, fresh)];
    if has_it(headers, &document.etag) {
        return (StatusCode::NOT_MODIFIED, told).into_response();
    }
    let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (told, json, document.body.clone()).into_response()
}

fn has_it(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).into_iter().filter_map(|v| v.to_str().ok());
    known.flat_map(|list| list.split(',')).any(|tag| tag.trim() == "*" || tag.trim().as_bytes() == etag)
}
