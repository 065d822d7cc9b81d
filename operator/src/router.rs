//! The routes of the operator API together with their OpenAPI description: a route that is served is described.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::{
    applications, audit, deliveries, endpoints, events, find, metrics, outbox, preview, release, results,
    settings, undo,
};
use crate::state::OperatorState;
use crate::{auth, console, gzip, request, retry_after};

const ABOUT: &str = "Operators open, close, pause and pace events. The audit records who changed what, and why. Send the token as \
    `Authorization: Bearer`. Where `If-Match` is required, send the `ETag` that you read: if two operators read the same event, \
    only one of them changes it.";

fn routes() -> OpenApiRouter<Arc<OperatorState>> {
    OpenApiRouter::new()
        .routes(routes!(events::create))
        .routes(routes!(events::list))
        .routes(routes!(events::get))
        .routes(routes!(events::update))
        .routes(routes!(events::clone))
        .routes(routes!(release::open))
        .routes(routes!(release::close))
        .routes(routes!(release::settle))
        .routes(routes!(release::pause))
        .routes(routes!(release::resume))
        .routes(routes!(release::drain))
        .routes(routes!(release::accept))
        .routes(routes!(release::unfreeze))
        .routes(routes!(settings::pace))
        .routes(routes!(settings::auto_pace))
        .routes(routes!(settings::capacity))
        .routes(routes!(settings::in_flight_max))
        .routes(routes!(settings::announcement))
        .routes(routes!(preview::preview))
        .routes(routes!(metrics::list))
        .routes(routes!(metrics::stream))
        .routes(routes!(audit::list))
        .routes(routes!(undo::undo))
        .routes(routes!(results::get))
        .routes(routes!(results::list))
        .routes(routes!(applications::list))
        .routes(routes!(find::find))
        .routes(routes!(applications::retry))
        .routes(routes!(applications::reject))
        .routes(routes!(outbox::list))
        .routes(routes!(outbox::replay))
        .routes(routes!(endpoints::create))
        .routes(routes!(endpoints::list))
        .routes(routes!(endpoints::get))
        .routes(routes!(endpoints::update))
        .routes(routes!(endpoints::pause))
        .routes(routes!(endpoints::resume))
        .routes(routes!(endpoints::rotate))
        .routes(routes!(endpoints::test))
        .routes(routes!(endpoints::delete))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::replay))
}

fn described(doc: OpenApi) -> OpenApi {
    let mut doc = service::openapi::complete(doc, "Firstcome operator API", ABOUT);
    let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    doc.components.get_or_insert_default().add_security_scheme("token", bearer);
    doc.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
    doc
}

/// The OpenAPI description.
pub fn document() -> OpenApi {
    described(routes().into_openapi())
}

/// All routes: the API, its description and the console.
pub fn router(state: Arc<OperatorState>) -> anyhow::Result<Router> {
    let (api, doc) = routes().split_for_parts();
    let described = service::openapi::routes(&described(doc))?;
    let domain_events = service::openapi::json_route("/asyncapi.json", messaging::asyncapi().to_string())?;
    let all = api.merge(described).merge(domain_events).merge(console::routes());
    Ok(all
        .layer(DefaultBodyLimit::max(request::BODY_MAX))
        .layer(from_fn_with_state(Arc::clone(&state), auth::check_host))
        .layer(from_fn_with_state(Arc::clone(&state), retry_after::jitter))
        .layer(from_fn(gzip::compress))
        .with_state(state))
}
