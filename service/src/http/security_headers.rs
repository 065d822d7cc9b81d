//! Headers that make a response safe, and bodies for the router's own empty errors.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Body as _;

use crate::problem::Problem;

/// Replaces the router's empty 404 and 405 by a problem, and adds the security headers.
pub(super) fn complete(response: &mut Response) {
    if let Some(problem) = problem_of_router(response) {
        let (parts, body) = problem.into_response().into_parts();
        *response.body_mut() = body;
        response.headers_mut().extend(parts.headers);
        // The router set it to 0; hyper sets it for the new body.
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    add_security_headers(response.headers_mut());
}

/// Adds security headers where the handler has not set them, and removes `Server`.
pub fn add_security_headers(headers: &mut HeaderMap) {
    headers.remove(header::SERVER);
    set_default(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set_default(headers, header::REFERRER_POLICY, "no-referrer");
    set_default(headers, header::CACHE_CONTROL, "no-store");
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        set_default(headers, header::X_FRAME_OPTIONS, "DENY");
        set_default(headers, header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
    }
}

fn set_default(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.entry(name).or_insert(HeaderValue::from_static(value));
}

/// The problem to send instead of the router's own empty response, if this is one.
fn problem_of_router(response: &Response) -> Option<Problem> {
    let status = response.status();
    let is_empty = !response.headers().contains_key(header::CONTENT_TYPE) && response.body().is_end_stream();
    match status {
        StatusCode::NOT_FOUND if is_empty => {
            Some(Problem::new(status, "not-found", "There is nothing at this address"))
        }
        StatusCode::METHOD_NOT_ALLOWED if is_empty => {
            Some(Problem::new(status, "method-not-allowed", "This address does not allow the method"))
        }
        _ => None,
    }
}
