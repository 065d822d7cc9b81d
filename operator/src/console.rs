//! The status page: a table that its script fills from the API, with the token that the visitor gives it. It changes nothing.

use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

const KOREAN: &str = include_str!("../assets/console.ko.html");
const ENGLISH: &str = include_str!("../assets/console.en.html");
const SCRIPT: &str = include_str!("../assets/console.js");
const STYLE: &str = include_str!("../assets/console.css");

/// Only what this listener serves, and nothing inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// The page and its parts. Anybody may load them: without a token they show nothing.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(page))
        .route("/operator.js", get(|| async { part("text/javascript; charset=utf-8", SCRIPT) }))
        .route("/operator.css", get(|| async { part("text/css; charset=utf-8", STYLE) }))
}

async fn page(headers: HeaderMap) -> Response {
    let (html, tag) = if asks_for_english(&headers) { (ENGLISH, "en") } else { (KOREAN, "ko") };
    let mut answer = part("text/html; charset=utf-8", html);
    answer.headers_mut().insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(tag));
    answer.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept-Language"));
    answer
}

fn part(kind: &'static str, text: &'static str) -> Response {
    let told = |name: HeaderName, value: &'static str| (name, HeaderValue::from_static(value));
    let headers = [
        told(header::CONTENT_TYPE, kind),
        told(header::CONTENT_SECURITY_POLICY, POLICY),
        told(header::CACHE_CONTROL, "no-cache"),
        told(header::X_FRAME_OPTIONS, "DENY"),
    ];
    (headers, text).into_response()
}

/// Whether English stands before Korean in what the browser asks for; a list is in the order of preference in practice.
fn asks_for_english(headers: &HeaderMap) -> bool {
    let asked =
        headers.get(header::ACCEPT_LANGUAGE).and_then(|asked| asked.to_str().ok()).unwrap_or_default();
    let mut languages = asked.split(',').map(|language| language.trim().to_ascii_lowercase());
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
    fn the_first_language_that_the_page_speaks_is_taken() {
        let english = |asked: &'static str| {
            asks_for_english(&HeaderMap::from_iter([(
                header::ACCEPT_LANGUAGE,
                HeaderValue::from_static(asked),
            )]))
        };
        assert!(english("en-US,en;q=0.9,ko;q=0.8") && english("fr, EN;q=0.5"));
        assert!(!english("ko-KR,ko;q=0.9,en;q=0.8") && !english("") && !english("fr"));
        assert!(!asks_for_english(&HeaderMap::new()));
    }
}
