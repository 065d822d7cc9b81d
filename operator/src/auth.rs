//! Authentication and authorization: the host name, the token or the session, the role. A handler states the role that it needs by the
//! extractor that it takes.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::cookie;
use crate::error::Error;
use crate::state::OperatorState;
use crate::token::{self, Role, Token};

/// Wrong tokens allowed per address and minute, so that guessing fills neither the log nor a core.
const WRONG_TOKENS_MAX: u32 = 20;

/// The holder of any valid token.
pub(crate) struct Viewer;

/// The name of a token holder with the role `operator`.
pub(crate) struct Operator(pub(crate) String);

/// The holder of a token, or of a session that the token opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenHolder {
    /// The name, as the audit records it.
    pub(crate) name: String,
    pub(crate) role: Role,
}

impl TokenHolder {
    fn of(token: &Token) -> Self {
        Self { name: token.name.clone(), role: token.role }
    }

    /// Fails unless the role allows changes.
    pub(crate) fn require_operator(&self) -> Result<(), Error> {
        match self.role {
            Role::Viewer => Err(Error::NotAllowed),
            Role::Operator => Ok(()),
        }
    }
}

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

/// Finds the holder of a token, and counts a wrong one against its address.
pub(crate) fn check_token(secret: &str, parts: &Parts, state: &OperatorState) -> Result<TokenHolder, Error> {
    token::find(&state.config.tokens, secret).map(TokenHolder::of).ok_or_else(|| {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
        match state.wrong_tokens.try_now(peer, WRONG_TOKENS_MAX, (state.now)()) {
            Ok(()) => Error::Unauthenticated,
            Err(retry_s) => Error::TooManyTries { retry_s },
        }
    })
}

/// The holder of the session of this request.
pub(crate) fn session_holder(headers: &HeaderMap, state: &OperatorState) -> Option<TokenHolder> {
    let name = state.sessions.token_name(cookie::session(headers)?, (state.now)())?;
    state.config.tokens.iter().find(|token| token.name == name).map(TokenHolder::of)
}

/// The sender of a request. A token in a header is known to programs only; a cookie is sent by the browser whatever page asks for it, so
/// then the page must be one of this console.
pub(crate) fn authenticate(parts: &Parts, state: &OperatorState) -> Result<TokenHolder, Error> {
    if let Some(secret) = bearer(&parts.headers) {
        return check_token(secret, parts, state);
    }
    let holder = session_holder(&parts.headers, state).ok_or(Error::Unauthenticated)?;
    let is_read = parts.method.is_safe();
    if is_own_page(&parts.headers, is_read) { Ok(holder) } else { Err(Error::CrossSite) }
}

/// Whether a browser sent the request from a page of this very address. `SameSite` does not suffice: another port of this host, where the
/// shop may run, counts as the same site. A read needs no `Origin`, since another site's page cannot see the response.
pub(crate) fn is_own_page(headers: &HeaderMap, is_read: bool) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let is_navigation = text("sec-fetch-mode") == Some("navigate");
    let from_own_page = match text("sec-fetch-site") {
        Some("same-origin") => true,
        Some("none") => is_read,
        Some(_) => is_read && is_navigation,
        None => is_read || headers.contains_key(header::ORIGIN),
    };
    let own_origin = text("origin")
        .is_none_or(|origin| origin.split_once("://").is_some_and(|(_, host)| text("host") == Some(host)));
    from_own_page && own_origin
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
        let identity = authenticate(parts, state)?;
        identity.require_operator()?;
        if is_same_origin(&parts.headers, state) { Ok(Self(identity.name)) } else { Err(Error::CrossSite) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own_page(pairs: &[(&'static str, &'static str)], is_read: bool) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("localhost:8090"));
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        is_own_page(&headers, is_read)
    }

    #[test]
    fn only_a_page_of_this_address_changes_anything_by_a_cookie() {
        let origin = ("origin", "http://localhost:8090");
        assert!(own_page(&[origin, ("sec-fetch-site", "same-origin")], false));
        assert!(own_page(&[origin], false), "a browser without Sec-Fetch-Site");
        for foreign in [
            &[("origin", "http://localhost:8000"), ("sec-fetch-site", "same-site")][..],
            &[("origin", "http://localhost:8000")],
            &[("origin", "null"), ("sec-fetch-site", "same-origin")],
            &[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")],
            &[origin, ("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[],
        ] {
            assert!(!own_page(foreign, false), "{foreign:?}");
        }
    }

    #[test]
    fn a_page_of_another_address_may_link_to_the_console_but_not_read_it() {
        assert!(own_page(&[], true) && own_page(&[("sec-fetch-site", "none")], true));
        assert!(own_page(&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")], true));
        assert!(!own_page(&[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "no-cors")], true));
    }
}
