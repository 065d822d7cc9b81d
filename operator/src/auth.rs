//! Who comes in: the host that was asked for, the token, the role. Each handler says whom it wants by what it takes.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::EventId;
use utoipa::IntoParams;

use crate::error::Error;
use crate::state::OperatorState;
use crate::token::{Role, Token, holder};

/// Wrong tokens that one address may tell in a minute: a guesser shall fill no log and no core.
const WRONG_TOKENS_MAX: u32 = 20;

/// A refusal on its way out of an extractor, where the operator API's chance is at hand.
pub(crate) struct Refused(Response);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        self.0
    }
}

impl Refused {
    pub(crate) fn by(state: &OperatorState, error: &Error) -> Self {
        Self(error.answer(&state.rng))
    }
}

/// Somebody who may look.
pub(crate) struct Viewer;

/// Somebody who may change things, by name.
pub(crate) struct Operator(pub(crate) String);

/// The event that the path names.
pub(crate) struct EventPath(pub(crate) EventId);

/// The rev that a change must find, if the request told one; else any will do.
pub(crate) struct IfMatch(pub(crate) Option<i64>);

/// The same where one must be told; `*` says that any will do.
pub(crate) struct MustMatch(pub(crate) Option<i64>);

/// How `If-Match` is described where it is needed.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it is only described: `MustMatch` reads it")]
pub(crate) struct RevNeeded {
    /// The `ETag` that you read, or only its rev, as `"7"`; `*` changes the event whatever it is.
    #[param(rename = "If-Match", pattern = r#"^(\*|"[0-9]{1,18}(-[0-9a-f]{1,16})?")$"#)]
    if_match: String,
}

/// How `If-Match` is described where it is honoured.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it is only described: `IfMatch` reads it")]
pub(crate) struct RevTold {
    /// The `ETag` that you read, or only its rev, as `"7"`; if the event is at another one, nothing is changed.
    #[param(
        rename = "If-Match",
        nullable = false,
        example = "*",
        pattern = r#"^(\*|"[0-9]{1,18}(-[0-9a-f]{1,16})?")$"#
    )]
    if_match: Option<String>,
}

/// How `If-None-Match` is described.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it is only described: the handler reads it")]
pub(crate) struct TagKnown {
    /// The `ETag` that you have.
    #[param(rename = "If-None-Match", nullable = false)]
    if_none_match: Option<String>,
}

/// A page on another site may have led a browser to our address under its own name, and would then read all of this.
pub(crate) async fn host(State(state): State<Arc<OperatorState>>, request: Request, next: Next) -> Response {
    let named = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    if named.is_some_and(|host| state.config.is_own(host)) {
        next.run(request).await
    } else {
        Error::WrongHost.answer(&state.rng)
    }
}

fn told(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn enter<'a>(parts: &Parts, state: &'a OperatorState) -> Result<&'a Token, Error> {
    let token = told(&parts.headers).ok_or(Error::Unauthenticated)?;
    holder(&state.config.tokens, token).ok_or_else(|| {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
        match state.tries.try_now(peer, WRONG_TOKENS_MAX, (state.now)()) {
            Ok(()) => Error::Unauthenticated,
            Err(retry_s) => Error::TooManyTries { retry_s },
        }
    })
}

/// Whether a page of ours sent it, or no page at all. A token is told in a header, so this is the second lock on the gateway.
fn from_our_page(headers: &HeaderMap, state: &OperatorState) -> bool {
    let own = |origin: &HeaderValue| {
        let host = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        host.is_some_and(|(_, host)| state.config.is_own(host))
    };
    headers.get(header::ORIGIN).is_none_or(own)
}

impl FromRequestParts<Arc<OperatorState>> for Viewer {
    type Rejection = Refused;
    async fn from_request_parts(parts: &mut Parts, state: &Arc<OperatorState>) -> Result<Self, Refused> {
        enter(parts, state).map(|_| Self).map_err(|error| Refused::by(state, &error))
    }
}

impl FromRequestParts<Arc<OperatorState>> for Operator {
    type Rejection = Refused;
    async fn from_request_parts(parts: &mut Parts, state: &Arc<OperatorState>) -> Result<Self, Refused> {
        let token = enter(parts, state).map_err(|error| Refused::by(state, &error))?;
        match token.role {
            Role::Viewer => Err(Refused::by(state, &Error::NotAllowed)),
            Role::Operator if !from_our_page(&parts.headers, state) => {
                Err(Refused::by(state, &Error::CrossSite))
            }
            Role::Operator => Ok(Self(token.name.clone())),
        }
    }
}

impl FromRequestParts<Arc<OperatorState>> for EventPath {
    type Rejection = Refused;
    async fn from_request_parts(parts: &mut Parts, state: &Arc<OperatorState>) -> Result<Self, Refused> {
        let named = segments(parts, state).await;
        let event = named.first().and_then(|event| event.parse().ok());
        event.map(Self).ok_or_else(|| Refused::by(state, &Error::UnknownEvent))
    }
}

/// What stands in the braces of the path, in order; one that is no UTF-8 names nothing.
pub(crate) async fn segments(parts: &mut Parts, state: &Arc<OperatorState>) -> Vec<String> {
    let path = Path::<Vec<(String, String)>>::from_request_parts(parts, state).await;
    path.map_or_else(|_| Vec::new(), |Path(named)| named.into_iter().map(|(_, value)| value).collect())
}

/// What `If-Match` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Match {
    /// Whatever it is.
    Any,
    /// This rev.
    Rev(i64),
}

impl Match {
    /// `"7"`, or `"7-1f3a"` as reading answers it.
    fn of(tag: &str) -> Option<Self> {
        if tag == "*" {
            return Some(Self::Any);
        }
        let inner = tag.strip_prefix('"')?.strip_suffix('"')?;
        let digits = inner.split_once('-').map_or(inner, |(rev, _)| rev);
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| digits.parse().ok()).flatten().map(Self::Rev)
    }

    fn told(parts: &Parts) -> Result<Option<Self>, Error> {
        let mut told = parts.headers.get_all(header::IF_MATCH).iter();
        let Some(tag) = told.next() else { return Ok(None) };
        let read = tag.to_str().ok().and_then(|tag| Self::of(tag.trim())).filter(|_| told.next().is_none());
        read.map(Some).ok_or_else(|| Error::Malformed("If-Match is the ETag that was read, or *".into()))
    }

    fn rev(self) -> Option<i64> {
        match self {
            Self::Any => None,
            Self::Rev(rev) => Some(rev),
        }
    }
}

impl FromRequestParts<Arc<OperatorState>> for IfMatch {
    type Rejection = Refused;
    async fn from_request_parts(parts: &mut Parts, state: &Arc<OperatorState>) -> Result<Self, Refused> {
        let told = Match::told(parts).map_err(|error| Refused::by(state, &error))?;
        Ok(Self(told.and_then(Match::rev)))
    }
}

impl FromRequestParts<Arc<OperatorState>> for MustMatch {
    type Rejection = Refused;
    async fn from_request_parts(parts: &mut Parts, state: &Arc<OperatorState>) -> Result<Self, Refused> {
        let told = Match::told(parts).map_err(|error| Refused::by(state, &error))?;
        told.map(|told| Self(told.rev())).ok_or_else(|| Refused::by(state, &Error::NoMatch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rev_is_read_from_either_tag_and_from_nothing_else() {
        assert_eq!(Match::of("\"7\""), Some(Match::Rev(7)));
        assert_eq!(Match::of("\"7-0f3a\""), Some(Match::Rev(7)));
        assert_eq!(Match::of("*"), Some(Match::Any));
        for bad in
            ["", "7", "\"\"", "W/\"7\"", "\"-7\"", "\"+7\"", "\"7\", \"8\"", "\"99999999999999999999\""]
        {
            assert_eq!(Match::of(bad), None, "{bad}");
        }
    }
}
