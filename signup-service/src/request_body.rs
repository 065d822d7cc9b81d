//! What the signup service's handlers take from a request, and how they send a browser on.

use std::convert::Infallible;
use std::error::Error as _;
use std::net::IpAddr;
use std::sync::Arc;

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use http_body_util::LengthLimitError;

use crate::error::Error;
use crate::request;
use crate::state::SignupState;

/// Largest body: a name, a phone number, a key.
const BODY_MAX: usize = 8 * 1024;

/// The id in a path; one that cannot be read names nothing.
pub(crate) struct PathId(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let id = Path::<String>::from_request_parts(parts, state).await;
        Ok(Self(id.map_or_else(|_| String::new(), |Path(id)| id)))
    }
}

/// A request's headers and its whole body, taken apart without a copy of either.
pub(crate) struct Posted {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Result<Bytes, Error>,
}

impl Posted {
    pub(crate) fn read(request: Request) -> impl Future<Output = Self> + Send {
        let (Parts { headers, .. }, body) = request.into_parts();
        let reading = to_bytes(body, BODY_MAX);
        reading.map(|body| Self { headers, body: body.map_err(|error| cut(&error)) })
    }
}

/// Why a body could not be read.
fn cut(error: &axum::Error) -> Error {
    match error.source() {
        Some(source) if source.is::<LengthLimitError>() => Error::TooLarge,
        _ => Error::Malformed,
    }
}

impl<S: Send + Sync> FromRequest<S> for Posted {
    type Rejection = Infallible;
    async fn from_request(request: Request, _: &S) -> Result<Self, Infallible> {
        Ok(Self::read(request).await)
    }
}

/// Who knocks, as far as limits tell clients apart; none where there is no connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client(pub(crate) Option<IpAddr>);

impl Client {
    /// The one of a connection from this peer.
    pub(crate) fn at(peer: IpAddr, headers: &HeaderMap, signup: &SignupState) -> Self {
        Self(Some(request::client_at(peer, headers, &signup.config.trusted_proxies)))
    }
}

impl FromRequestParts<Arc<SignupState>> for Client {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, signup: &Arc<SignupState>) -> Result<Self, Infallible> {
        Ok(Self(request::client(&parts.extensions, &parts.headers, &signup.config.trusted_proxies)))
    }
}

/// Sends a browser on after a form, so that a reload repeats nothing.
pub(crate) fn see_other(path: &str) -> Response {
    let headers = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    let mut answer = (StatusCode::SEE_OTHER, headers).into_response();
    match HeaderValue::from_str(path) {
        Ok(path) => answer.headers_mut().insert(header::LOCATION, path),
        Err(_) => unreachable!("receipts and event ids fit in a header"),
    };
    answer
}
