//! The public documents of events. A response is a copy of rendered bytes; the queue is not read.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::{EventState, Millis};
use serde::Serialize;
use utoipa::ToSchema;

use crate::documents::{Document, EventFacts, EventProgress, PublicEventList};
use crate::error::Error;
use crate::error_docs::{CommonErrors, EventErrors};
use crate::request::PathParameter;
use crate::response::no_store;
use crate::state::SignupState;

/// The queue's clock, for a countdown.
#[derive(Serialize, ToSchema)]
struct QueueClock<'a> {
    event: &'a str,
    #[schema(value_type = String, pattern = "^(scheduled|open|closed|settling|settled)$")]
    state: EventState,
    intake: bool,
    opens_at_ms: Millis,
    closes_at_ms: Millis,
    server_time_ms: Millis,
}

/// The progress of an event: the one document that every page polls.
///
/// Caches may keep it for a second. A page calculates its own position from it and its number.
#[utoipa::path(get, path = "/event/com/v1/get/progress/{event}",
    params(("event" = String, Path), ("If-None-Match" = Option<String>, Header)),
    responses((status = 200, body = EventProgress, headers(("ETag" = String))), (status = 304, description = "The client's copy is current"), EventErrors))]
pub(crate) async fn progress(
    State(signup): State<Arc<SignupState>>,
    PathParameter(event): PathParameter,
    headers: HeaderMap,
) -> Result<Response, Error> {
    Ok(respond_with(&signup.documents(&event)?.progress, &headers))
}

/// Public facts of an event.
#[utoipa::path(get, path = "/event/com/v1/get/event/{event}",
    params(("event" = String, Path), ("If-None-Match" = Option<String>, Header)),
    responses((status = 200, body = EventFacts, headers(("ETag" = String))), (status = 304, description = "The client's copy is current"), EventErrors))]
pub(crate) async fn event(
    State(signup): State<Arc<SignupState>>,
    PathParameter(event): PathParameter,
    headers: HeaderMap,
) -> Result<Response, Error> {
    Ok(respond_with(&signup.documents(&event)?.facts, &headers))
}

/// Public facts of all events.
#[utoipa::path(get, path = "/event/com/v1/list/event", params(("If-None-Match" = Option<String>, Header)),
    responses((status = 200, body = PublicEventList, headers(("ETag" = String))), (status = 304, description = "The client's copy is current"), CommonErrors))]
pub(crate) async fn list(
    State(signup): State<Arc<SignupState>>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    Ok(respond_with(signup.catalogue().list()?, &headers))
}

/// The queue's clock, for a countdown. It is never cached.
#[utoipa::path(get, path = "/event/com/v1/get/time/{event}", params(("event" = String, Path)),
    responses((status = 200, body = QueueClock), EventErrors))]
pub(crate) async fn time(
    State(signup): State<Arc<SignupState>>,
    PathParameter(event): PathParameter,
) -> Result<Response, Error> {
    let documents = signup.documents(&event)?;
    let now = signup.now();
    let settings = &documents.snapshot.settings;
    let clock = QueueClock {
        event: settings.id.as_str(),
        state: documents.state(now),
        intake: settings.intake,
        opens_at_ms: settings.opens_at,
        closes_at_ms: settings.closes_at,
        server_time_ms: documents.queue_time(now),
    };
    Ok(([no_store()], Json(clock)).into_response())
}

fn respond_with(document: &Document, headers: &HeaderMap) -> Response {
    let cache_control = HeaderValue::from_static("public, max-age=1, stale-while-revalidate=4");
    let caching = [(header::ETAG, document.etag.clone()), (header::CACHE_CONTROL, cache_control)];
    if is_current(headers, &document.etag) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (caching, json, document.body.clone()).into_response()
}

/// Whether the client has the document with this tag.
fn is_current(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let lists = headers.get_all(header::IF_NONE_MATCH).into_iter().filter_map(|v| v.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|tag| tag.trim() == "*" || tag.trim().as_bytes() == etag)
}
