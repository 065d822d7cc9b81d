//! The variable segment of a path.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

/// The variable segment of a path: an event or a receipt. It is empty if the segment is not UTF-8.
pub(crate) struct PathParameter(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for PathParameter {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let segment = Path::<String>::from_request_parts(parts, state).await;
        Ok(Self(segment.map_or_else(|_| String::new(), |Path(text)| text)))
    }
}
