//! The public documents over HTTP. Each answer is a copy of bytes that the refresher made; nothing is read here.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::{EventState, Millis};
use serde::Serialize;
use utoipa::ToSchema;

use crate::desk::Desk;
use crate::progress::{Document, Facts, Progress};
use crate::refusal::Refusal;
use crate::refusals::{Anybody, OfEvent};
use crate::routes::PathId;
use crate::status::no_store;
use service::Language;

/// All events of the catalogue.
#[derive(Serialize, ToSchema)]
pub(crate) struct Listed<'a> {
    pub(crate) events: Vec<Facts<'a>>,
}

/// The line's clock, for a countdown.
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
    State(desk): State<Arc<Desk>>,
    PathId(event): PathId,
    headers: HeaderMap,
) -> Response {
    let sheet = desk.sheet(&event);
    told(&desk, &headers, sheet.as_ref().map(|sheet| &sheet.progress).map_err(Clone::clone))
}

/// Public facts of an event.
#[utoipa::path(get, path = "/event/com/v1/get/event/{event}",
    params(("event" = String, Path), ("If-None-Match" = Option<String>, Header)),
    responses((status = 200, body = Facts, headers(("ETag" = String))), (status = 304, description = "As you have it"), OfEvent))]
pub(crate) async fn event(
    State(desk): State<Arc<Desk>>,
    PathId(event): PathId,
    headers: HeaderMap,
) -> Response {
    let sheet = desk.sheet(&event);
    told(&desk, &headers, sheet.as_ref().map(|sheet| &sheet.facts).map_err(Clone::clone))
}

/// Public facts of all events.
#[utoipa::path(get, path = "/event/com/v1/list/event", params(("If-None-Match" = Option<String>, Header)),
    responses((status = 200, body = Listed, headers(("ETag" = String))), (status = 304, description = "As you have it"), Anybody))]
pub(crate) async fn list(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Response {
    let board = desk.board();
    told(&desk, &headers, board.list.as_ref().ok_or(Refusal::NotReady))
}

/// The line's clock, never from a cache, for the countdown.
#[utoipa::path(get, path = "/event/com/v1/get/time/{event}", params(("event" = String, Path)),
    responses((status = 200, body = Clock), OfEvent))]
pub(crate) async fn time(
    State(desk): State<Arc<Desk>>,
    PathId(event): PathId,
    headers: HeaderMap,
) -> Response {
    let sheet = match desk.sheet(&event) {
        Ok(sheet) => sheet,
        Err(refusal) => return refusal.problem(Language::of_client(&headers), &desk.chance),
    };
    let (now, settings) = (desk.now(), &sheet.view.settings);
    let clock = Clock {
        event: settings.id.as_str(),
        state: sheet.state(now),
        intake: settings.intake,
        opens_at_ms: settings.opens_at,
        closes_at_ms: settings.closes_at,
        server_time_ms: sheet.line_time(now),
    };
    ([no_store()], Json(clock)).into_response()
}

fn told(desk: &Desk, headers: &HeaderMap, document: Result<&Document, Refusal>) -> Response {
    let document = match document {
        Ok(document) => document,
        Err(refusal) => return refusal.problem(Language::of_client(headers), &desk.chance),
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
