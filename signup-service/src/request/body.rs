//! The headers and the body of a POST request.

use std::convert::Infallible;
use std::error::Error as _;

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use futures_util::FutureExt as _;
use http_body_util::LengthLimitError;

use crate::error::Error;

/// Largest body in bytes: a name, a phone number and a key fit well.
const BODY_MAX: usize = 8 * 1024;

/// The headers and the whole body of a POST request, without a copy of either.
pub(crate) struct PostRequest {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Result<Bytes, Error>,
}

impl PostRequest {
    pub(crate) fn read(request: Request) -> impl Future<Output = Self> + Send {
        let (Parts { headers, .. }, body) = request.into_parts();
        to_bytes(body, BODY_MAX).map(|body| Self { headers, body: body.map_err(|error| body_error(&error)) })
    }
}

/// Why a body could not be read.
fn body_error(error: &axum::Error) -> Error {
    match error.source() {
        Some(source) if source.is::<LengthLimitError>() => Error::TooLarge,
        _ => Error::Malformed,
    }
}

impl<S: Send + Sync> FromRequest<S> for PostRequest {
    type Rejection = Infallible;
    async fn from_request(request: Request, _: &S) -> Result<Self, Infallible> {
        Ok(Self::read(request).await)
    }
}
