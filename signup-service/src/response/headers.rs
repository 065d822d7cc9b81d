//! Headers that several responses have.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::AppKey;
use service::Language;

/// The header with the GUID of an application.
pub(super) const GUID: HeaderName = HeaderName::from_static("guid");

/// The GUID header of this application.
pub(super) fn guid(app_key: AppKey) -> (HeaderName, HeaderValue) {
    let value = HeaderValue::try_from(app_key.guid())
        .unwrap_or_else(|_| unreachable!("hexadecimal digits are valid in a header"));
    (GUID, value)
}

/// Keeps a response about one person out of caches.
pub(crate) fn no_store() -> (HeaderName, HeaderValue) {
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
}

/// Adds the language of the response, which depends on `Accept-Language`.
pub(crate) fn add_language(headers: &mut HeaderMap, language: Language) {
    headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
    headers.append(header::VARY, HeaderValue::from_static("Accept-Language"));
}

/// Redirects a browser after a form, so that reloading the page does not send the form again.
pub(crate) fn see_other(path: &str) -> Response {
    let location = HeaderValue::from_str(path)
        .unwrap_or_else(|_| unreachable!("receipts and event ids are valid in a header"));
    (StatusCode::SEE_OTHER, [no_store(), (header::LOCATION, location)]).into_response()
}
