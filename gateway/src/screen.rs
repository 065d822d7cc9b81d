//! The check of a request before anything else: whether a proxy may forward it at all, and its path in the one form that is matched.

use axum::extract::Request;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, Method, Version, header};

use crate::error::RefusalReason;
use crate::headers::{self, Via};
use crate::path;

/// The normalised path if it differs from the request's own, or the reason why a proxy must not forward the request.
pub(crate) fn screen(request: &Request, via: &Via) -> Result<Option<PathAndQuery>, RefusalReason> {
    let headers = request.headers();
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Err(RefusalReason::Method);
    }
    if requests_upgrade(headers) {
        return Err(RefusalReason::Upgrade);
    }
    if headers::has_other_coding(headers) {
        return Err(RefusalReason::TransferCoding);
    }
    let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    let hosts = headers.get(header::HOST).map(header::HeaderValue::as_bytes).or(authority);
    // HTTP/1.0 requires no `Host` header.
    if !hosts.map_or(request.version() < Version::HTTP_11, headers::is_host) {
        return Err(RefusalReason::BadHost);
    }
    if via.is_loop(headers) {
        return Err(RefusalReason::Loop);
    }
    let target = request.uri().path_and_query().ok_or(RefusalReason::AmbiguousPath)?;
    match path::normal(target.path()).map_err(|_| RefusalReason::AmbiguousPath)? {
        std::borrow::Cow::Borrowed(_) => Ok(None),
        std::borrow::Cow::Owned(normal) => {
            let text = match target.query() {
                Some(query) => format!("{normal}?{query}"),
                None => normal,
            };
            PathAndQuery::try_from(text).map(Some).map_err(|_| RefusalReason::AmbiguousPath)
        }
    }
}

/// Whether the client requests another protocol. Some clients offer HTTP/2 with every request, which a server may ignore.
fn requests_upgrade(headers: &HeaderMap) -> bool {
    let mut protocols = headers.get_all(header::UPGRADE).iter();
    protocols.any(|protocol| !protocol.as_bytes().eq_ignore_ascii_case(b"h2c"))
}
