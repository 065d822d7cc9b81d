//! The check of a pass for other proxies: `auth_request` of nginx, `ext_authz` of Envoy, `forwardAuth` of Traefik. It is served on the
//! listener of health and metrics, which the public cannot reach. Envoy sends the method and the path of the request that it asks about,
//! so any method is answered, and any path below that of the event.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use service::Language;

use crate::error::{ErrorResponses, RefusalReason};
use crate::pass::Passes;

/// The path without an event, for a pass of any event.
const PATH: &str = "/gateway/int/v1/check/pass";

/// The routes.
pub(crate) fn routes(passes: Arc<Passes>) -> Router {
    Router::new()
        .route(PATH, any(of_any_event))
        .route(&format!("{PATH}/{{event}}"), any(of_event))
        .route(&format!("{PATH}/{{event}}/"), any(of_event))
        .route(&format!("{PATH}/{{event}}/{{*rest}}"), any(of_event_for_path))
        .with_state(passes)
}

async fn of_any_event(State(passes): State<Arc<Passes>>, headers: HeaderMap) -> Response {
    respond(&passes, None, &headers)
}

async fn of_event(
    State(passes): State<Arc<Passes>>,
    Path(event): Path<String>,
    headers: HeaderMap,
) -> Response {
    respond(&passes, Some(&event), &headers)
}

async fn of_event_for_path(
    State(passes): State<Arc<Passes>>,
    Path((event, _)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    respond(&passes, Some(&event), &headers)
}

/// 200 with the headers that say whose pass it is, or 401 with the reason.
fn respond(passes: &Passes, event: Option<&str>, headers: &HeaderMap) -> Response {
    let checked = passes.check(headers);
    let pass = match event.map(str::parse) {
        None => checked.of_any_event(),
        Some(Ok(event)) => checked.of_event(&event),
        Some(Err(_)) => Err(RefusalReason::PassWrongEvent),
    };
    match pass {
        Ok(pass) => {
            let mut response = StatusCode::OK.into_response();
            pass.add_headers(response.headers_mut());
            no_store(&mut response);
            response
        }
        Err(reason) => {
            let language = Language::preferred(headers.get(header::ACCEPT_LANGUAGE));
            let mut response = ErrorResponses::unauthorized(reason, language);
            no_store(&mut response);
            response
        }
    }
}

fn no_store(response: &mut Response) {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}
