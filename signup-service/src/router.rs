//! The signup service's table of routes and their description, which stand together: a route of the API that is served is described.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::SignupState;
use crate::{apply, cancel, events, find, pages, status};

const ABOUT: &str = "People apply for an event here, get a number that never changes, and see how the queue moves. Times are \
    milliseconds since 1970 UTC by the queue's own clock. Answers of 503 and 429 say timestamp to come again; applying again with the \
    same `Idempotency-Key` is always safe.";

fn routes() -> OpenApiRouter<Arc<SignupState>> {
    OpenApiRouter::new()
        .routes(routes!(apply::create))
        .routes(routes!(status::get))
        .routes(routes!(cancel::cancel))
        .routes(routes!(find::find))
        .routes(routes!(events::list))
        .routes(routes!(events::event))
        .routes(routes!(events::progress))
        .routes(routes!(events::time))
}

fn described(doc: OpenApi) -> OpenApi {
    service::openapi::finish(doc, "Firstcome signup", ABOUT)
}

/// The API's description.
pub fn document() -> OpenApi {
    described(routes().into_openapi())
}

/// All routes of the signup service.
pub fn router(signup: Arc<SignupState>) -> anyhow::Result<Router> {
    let (api, doc) = routes().split_for_parts();
    let pages = Router::new()
        .route("/", get(pages::list))
        .route("/e/{event}", get(pages::event))
        .route("/a/{receipt}", get(pages::receipt));
    Ok(api.merge(service::openapi::routes(&described(doc))?).merge(pages).with_state(signup))
}
