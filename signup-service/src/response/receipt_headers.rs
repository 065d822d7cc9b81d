//! The headers of every response with a receipt, prepared once. Filling in two values is cheaper than building all of them for
//! each application.

use axum::http::{HeaderMap, HeaderValue, header};
use domain::AppKey;
use service::Language;

use super::headers::{GUID, add_language, guid, no_store};

/// The prepared headers, by language.
pub(crate) struct ReceiptHeaders {
    korean: HeaderMap,
    english: HeaderMap,
}

impl ReceiptHeaders {
    pub(crate) fn new() -> Self {
        Self { korean: prepare(Language::Korean), english: prepare(Language::English) }
    }

    /// The headers of a response about this application, whose status is at `location`.
    pub(super) fn of(&self, language: Language, app_key: AppKey, location: String) -> HeaderMap {
        let mut headers = match language {
            Language::Korean => self.korean.clone(),
            Language::English => self.english.clone(),
        };
        let (name, value) = guid(app_key);
        headers.insert(name, value);
        match HeaderValue::try_from(location) {
            Ok(location) => headers.insert(header::LOCATION, location),
            Err(_) => headers.remove(header::LOCATION),
        };
        headers
    }
}

fn prepare(language: Language) -> HeaderMap {
    let placeholder = HeaderValue::from_static("");
    let mut headers = HeaderMap::from_iter([
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        no_store(),
        (GUID, placeholder.clone()),
        (header::LOCATION, placeholder),
    ]);
    add_language(&mut headers, language);
    service::http::add_security_headers(&mut headers);
    headers
}
