//! A page as an HTTP response: one document with style and script inline, compressed if the client accepts gzip.

use std::io::Write as _;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use service::Language;

use super::context::PageContext;
use super::look::PageLook;
use super::shell::Assets;

/// A page as an HTTP response.
pub(crate) struct PageResponse {
    status: StatusCode,
    html: String,
    policy: HeaderValue,
    language: Language,
    keeps_language: bool,
    accepts_gzip: bool,
    retry_after_s: Option<u32>,
}

impl PageResponse {
    /// A page with this style and script.
    pub(super) fn new(context: &PageContext, assets: &Assets, html: String) -> Self {
        Self {
            status: StatusCode::OK,
            html,
            policy: assets.policy.clone(),
            language: context.language,
            keeps_language: context.keeps_language,
            accepts_gzip: context.accepts_gzip,
            retry_after_s: None,
        }
    }

    /// The page with what the operator gave its event.
    pub(super) fn with_look(self, look: Option<&PageLook>) -> Self {
        let policy = look.map(|look| look.policy(&self.policy));
        Self { policy: policy.unwrap_or(self.policy), ..self }
    }

    /// The page under another policy.
    pub(super) fn with_policy(self, policy: HeaderValue) -> Self {
        Self { policy, ..self }
    }

    /// The page of an error, with the seconds until the next attempt.
    pub(super) fn with_error(self, status: StatusCode, retry_after_s: Option<u32>) -> Self {
        Self { status, retry_after_s, ..self }
    }
}

impl IntoResponse for PageResponse {
    fn into_response(self) -> Response {
        let compressed = self.accepts_gzip.then(|| gzip(self.html.as_bytes())).flatten();
        let mut response = match compressed {
            Some(body) => {
                let encoding = [(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))];
                (self.status, encoding, body).into_response()
            }
            None => (self.status, self.html).into_response(),
        };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(header::CONTENT_SECURITY_POLICY, self.policy);
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(self.language.tag()));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Language, Accept-Encoding, Cookie"));
        headers.insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer"));
        if self.keeps_language {
            headers.insert(header::SET_COOKIE, language_cookie(self.language));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

fn language_cookie(language: Language) -> HeaderValue {
    HeaderValue::from_static(match language {
        Language::Korean => "lang=ko; Path=/; Max-Age=31536000; SameSite=Lax",
        Language::English => "lang=en; Path=/; Max-Age=31536000; SameSite=Lax",
    })
}

fn gzip(body: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 2), Compression::new(6));
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}
