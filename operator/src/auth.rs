//! Authentication and authorization: the host name, the token, the role. A handler states the role that it needs by the extractor
//! that it takes.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::error::Error;
use crate::state::OperatorState;
use crate::token::{self, Role, Token};

/// Wrong tokens allowed per address and minute, so that guessing fills neither the log nor a core.
const WRONG_TOKENS_MAX: u32 = 20;

/// The holder of any valid token.
pub(crate) struct Viewer;

/// The name of a token holder with the role `operator`.
pub(crate) struct Operator(pub(crate) String);

/// A layer that rejects requests for a foreign host name: by DNS rebinding another site's page could read the API under its own
/// name.
pub(crate) async fn check_host(
    State(state): State<Arc<OperatorState>>,
    request: Request,
    next: Next,
) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    if host.is_some_and(|host| state.config.accepts_host(host)) {
        next.run(request).await
    } else {
        Error::WrongHost.into_response()
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn authenticate<'a>(parts: &Parts, state: &'a OperatorState) -> Result<&'a Token, Error> {
    let secret = bearer(&parts.headers).ok_or(Error::Unauthenticated)?;
    token::find(&state.config.tokens, secret).ok_or_else(|| {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
        match state.wrong_tokens.try_now(peer, WRONG_TOKENS_MAX, (state.now)()) {
            Ok(()) => Error::Unauthenticated,
            Err(retry_s) => Error::TooManyTries { retry_s },
        }
    })
}

/// Whether the request came from the console or from no page at all. The token is a header, so this is a second line of defence.
fn is_same_origin(headers: &HeaderMap, state: &OperatorState) -> bool {
    let accepted = |origin: &HeaderValue| {
        let host = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        host.is_some_and(|(_, host)| state.config.accepts_host(host))
    };
    headers.get(header::ORIGIN).is_none_or(accepted)
}

impl FromRequestParts<Arc<OperatorState>> for Viewer {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, state: &Arc<OperatorState>) -> Result<Self, Error> {
        authenticate(parts, state).map(|_| Self)
    }
}

impl FromRequestParts<Arc<OperatorState>> for Operator {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, state: &Arc<OperatorState>) -> Result<Self, Error> {
        let token = authenticate(parts, state)?;
        match token.role {
            Role::Viewer => Err(Error::NotAllowed),
            Role::Operator if !is_same_origin(&parts.headers, state) => Err(Error::CrossSite),
            Role::Operator => Ok(Self(token.name.clone())),
        }
    }
}
