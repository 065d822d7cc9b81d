//! The routes of the signup service together with their OpenAPI description: an API route that is served is described.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::{apply, called, cancel, events, find, pass, report, status};
use crate::pages;
use crate::state::SignupState;

const ABOUT: &str = "Clients apply for an event, get a number that never changes, and see how the queue moves. Times are milliseconds \
    since 1970 UTC by the queue's clock. Responses with 503 and 429 carry `Retry-After`; applying again with the same \
    `Idempotency-Key` is always safe.";

/// Five minutes: a new key is served for longer than that before it signs.
const PASS_KEYS_CACHING: &str = "public, max-age=300";

fn routes() -> OpenApiRouter<Arc<SignupState>> {
    OpenApiRouter::new()
        .routes(routes!(apply::create))
        .routes(routes!(status::get))
        .routes(routes!(cancel::cancel))
        .routes(routes!(called::confirm))
        .routes(routes!(called::extend))
        .routes(routes!(pass::create_pass))
        .routes(routes!(report::create_result))
        .routes(routes!(find::find))
        .routes(routes!(events::list))
        .routes(routes!(events::event))
        .routes(routes!(events::progress))
        .routes(routes!(events::time))
}

fn described(doc: OpenApi) -> OpenApi {
    service::openapi::complete(doc, "Firstcome signup", ABOUT)
}

/// The OpenAPI description.
pub fn document() -> OpenApi {
    described(routes().into_openapi())
}

/// The public keys of passes. The path is the usual one, so that tools of other services find it.
async fn pass_keys(State(signup): State<Arc<SignupState>>) -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, PASS_KEYS_CACHING)];
    (headers, signup.pass_keys.clone())
}

/// All routes: the API, its description and the pages. Errors are left for [`crate::error_response::complete_error`].
pub(crate) fn router(signup: Arc<SignupState>) -> anyhow::Result<Router> {
    let (api, doc) = routes().split_for_parts();
    let pages = Router::new()
        .route("/.well-known/jwks.json", get(pass_keys))
        .route("/", get(pages::list::get))
        .route("/e/{event}", get(pages::event::get))
        .route("/e/{event}/calendar.ics", get(pages::calendar::get))
        .route("/a/{receipt}", get(pages::receipt::get))
        .route("/signup/int/v1/list/preview", get(pages::preview::list))
        .route("/signup/int/v1/get/preview/{state}", get(pages::preview::get))
        .method_not_allowed_fallback(pages::unmatched::method);
    let routes = api.merge(service::openapi::routes(&described(doc))?).merge(pages);
    Ok(routes.fallback(pages::unmatched::path).with_state(signup))
}
