//! A server with short timeouts to test against.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};
use service::http::{Limits, bind, serve};
use service::{Context, Health, Tasks};

pub(crate) fn context() -> Context {
    Context {
        now: Arc::new(|| 1_000_000),
        rng: Arc::new(|bytes| bytes.fill(7)),
        tasks: Tasks::default(),
        health: Health::default(),
    }
}

pub(crate) fn router() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/echo", post(|body: Bytes| async { body }))
        .route("/panic", get(panics))
}

async fn panics() -> &'static str {
    panic!("expected by the test")
}

/// Timeouts short enough for a test to see them end; everything else is as in production.
pub(crate) fn limits() -> Limits {
    Limits {
        header_read_timeout: Duration::from_millis(200),
        idle_timeout: Duration::from_millis(400),
        body_read_timeout: Duration::from_millis(200),
        ..Limits::default()
    }
}

pub(crate) fn start(router: Router, limits: Limits, ctx: &Context) -> SocketAddr {
    serve(bind("127.0.0.1:0".parse().unwrap()).unwrap(), router, limits, ctx).unwrap()
}
