//! The room's table of routes and their description, which stand together: a route that is served is described.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::room::Room;
use crate::{applications, audit, events, given, guard, page, settings, valves};

const ABOUT: &str = "Operators open, close, pause and set the pace of events here. Every change says who, what and why in \
    the audit. Send the token as `Authorization: Bearer`. Where `If-Match` is asked for, send the `ETag` that you read: of two \
    operators who saw the same, only one changes it.";

fn routes() -> OpenApiRouter<Arc<Room>> {
    OpenApiRouter::new()
        .routes(routes!(events::create))
        .routes(routes!(events::list))
        .routes(routes!(events::get))
        .routes(routes!(events::update))
        .routes(routes!(events::clone))
        .routes(routes!(valves::open))
        .routes(routes!(valves::close))
        .routes(routes!(valves::settle))
        .routes(routes!(valves::pause))
        .routes(routes!(valves::resume))
        .routes(routes!(valves::drain))
        .routes(routes!(valves::accept))
        .routes(routes!(valves::unfreeze))
        .routes(routes!(settings::pace))
        .routes(routes!(settings::capacity))
        .routes(routes!(settings::in_flight_max))
        .routes(routes!(settings::notice))
        .routes(routes!(audit::list))
        .routes(routes!(applications::list))
        .routes(routes!(applications::requeue))
        .routes(routes!(applications::reject))
}

fn described(doc: OpenApi) -> OpenApi {
    let mut doc = service::openapi::finish(doc, "Firstcome control room", ABOUT);
    let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    doc.components.get_or_insert_default().add_security_scheme("token", bearer);
    doc.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
    doc
}

/// The API's description.
pub fn document() -> OpenApi {
    described(routes().into_openapi())
}

/// All routes of the room.
pub fn router(room: Arc<Room>) -> anyhow::Result<Router> {
    let (api, doc) = routes().split_for_parts();
    let all = api.merge(service::openapi::routes(&described(doc))?).merge(page::routes());
    Ok(all
        .layer(DefaultBodyLimit::max(given::BODY_MAX))
        .layer(from_fn_with_state(Arc::clone(&room), guard::host))
        .with_state(room))
}
