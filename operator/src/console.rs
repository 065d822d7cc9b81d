//! The operator console: a page whose script reads the API with the operator's token. It shows the events and changes nothing.

use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

const KOREAN: &str = include_str!("../assets/console.ko.html");
const ENGLISH: &str = include_str!("../assets/console.en.html");
const SCRIPT: &str = include_str!("../assets/console.js");
const STYLE: &str = include_str!("../assets/console.css");

/// Allows only what this listener serves, and nothing inline.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page and its assets. They are public: without a token they show nothing.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(page))
        .route("/console.js", get(|| async { asset("text/javascript; charset=utf-8", SCRIPT) }))
        .route("/console.css", get(|| async { asset("text/css; charset=utf-8", STYLE) }))
}

async fn page(headers: HeaderMap) -> Response {
    let (html, tag) = if prefers_english(&headers) { (ENGLISH, "en") } else { (KOREAN, "ko") };
    let mut response = asset("text/html; charset=utf-8", html);
    response.headers_mut().insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(tag));
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept-Language"));
    response
}

fn asset(content_type: &'static str, text: &'static str) -> Response {
    let entry = |name: HeaderName, value: &'static str| (name, HeaderValue::from_static(value));
    let headers = [
        entry(header::CONTENT_TYPE, content_type),
        entry(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        entry(header::CACHE_CONTROL, "no-cache"),
        entry(header::X_FRAME_OPTIONS, "DENY"),
    ];
    (headers, text).into_response()
}

/// Whether `Accept-Language` lists English before Korean; browsers list languages in order of preference.
fn prefers_english(headers: &HeaderMap) -> bool {
    let accepted =
        headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut languages = accepted.split(',').map(|language| language.trim().to_ascii_lowercase());
    languages.find_map(|language| match language.get(..2) {
        Some("en") => Some(true),
        Some("ko") => Some(false),
        _ => None,
    }) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_accepted_language_of_the_page_is_used() {
        let english = |accepted: &'static str| {
            prefers_english(&HeaderMap::from_iter([(
                header::ACCEPT_LANGUAGE,
                HeaderValue::from_static(accepted),
            )]))
        };
        assert!(english("en-US,en;q=0.9,ko;q=0.8") && english("fr, EN;q=0.5"));
        assert!(!english("ko-KR,ko;q=0.9,en;q=0.8") && !english("") && !english("fr"));
        assert!(!prefers_english(&HeaderMap::new()));
    }
}
