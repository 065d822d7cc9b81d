//! Entity tags of events.

use axum::http::{HeaderName, HeaderValue, header};

/// An `ETag` header of this text, which consists of digits, letters and dashes.
pub(super) fn etag(text: &str) -> (HeaderName, HeaderValue) {
    let Ok(value) = HeaderValue::try_from(format!("\"{text}\"")) else {
        unreachable!("digits and letters are valid in a header")
    };
    (header::ETAG, value)
}
