//! The outermost layer: adds a jittered `Retry-After`, since the errors of extractors and handlers have no random source.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use service::problem::jittered;

use crate::error::RetryAfterBase;
use crate::state::OperatorState;

/// Adds `Retry-After` to responses that are marked with [`RetryAfterBase`].
pub(crate) async fn jitter(
    State(state): State<Arc<OperatorState>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    if let Some(RetryAfterBase(seconds)) = response.extensions().get().copied() {
        response.headers_mut().insert(header::RETRY_AFTER, jittered(seconds, &state.rng).into());
    }
    response
}
