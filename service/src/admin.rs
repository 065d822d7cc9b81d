//! The routes `/livez`, `/readyz` and `/metrics` for operators' tools, on a listener that the public cannot reach.

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::context::Context;
use crate::telemetry;

/// The routes, to be served alone or merged into a router.
pub fn routes(ctx: &Context) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(ctx.clone())
}

/// Depends on nothing else: a process whose database is unavailable must not be restarted.
async fn livez() -> &'static str {
    "ok\n"
}

async fn readyz(State(ctx): State<Context>, RawQuery(query): RawQuery) -> impl IntoResponse {
    let readiness =
        if ctx.tasks.is_draining() { ctx.health.readiness_while_stopping() } else { ctx.health.readiness() };
    let verbose = query.is_some_and(|q| q.split('&').any(|p| p == "verbose" || p.starts_with("verbose=")));
    match (readiness.ready, verbose) {
        (true, false) => (StatusCode::OK, "ok\n".to_owned()),
        (true, true) => (StatusCode::OK, readiness.report),
        (false, _) => (StatusCode::SERVICE_UNAVAILABLE, readiness.report),
    }
}

async fn metrics() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], telemetry::render())
}
