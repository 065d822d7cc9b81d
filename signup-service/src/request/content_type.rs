//! The content type of a request body, which also decides the format of the response.

use axum::http::{HeaderMap, header};

use crate::error::Error;

/// The content type of a request body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContentType {
    /// JSON; the response is JSON.
    Json,
    /// An HTML form; the response is a page.
    Form,
}

impl ContentType {
    /// The type that the headers state.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Error> {
        let value = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
        let media_type = value.split(';').next().unwrap_or("").trim();
        if media_type.eq_ignore_ascii_case("application/json") {
            Ok(Self::Json)
        } else if media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            Ok(Self::Form)
        } else {
            Err(Error::UnsupportedMediaType)
        }
    }

    /// Whether the response is a page. Unsupported types get JSON.
    pub(crate) fn is_form(headers: &HeaderMap) -> bool {
        Self::of(headers) == Ok(Self::Form)
    }
}
