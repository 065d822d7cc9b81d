//! What a page depends on in its request.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use service::Language;

use crate::request::FormFields;

/// What a page depends on in its request.
#[derive(Debug, Clone)]
pub(crate) struct PageContext {
    /// The language of the page.
    pub(super) language: Language,
    /// Whether the user chose the language, so that a cookie keeps it.
    pub(super) keeps_language: bool,
    /// Whether the client accepts gzip.
    pub(super) accepts_gzip: bool,
    /// The query of the address.
    pub(super) query: FormFields,
}

impl PageContext {
    /// The context of a response to a form.
    pub(super) fn of_form(form: &FormFields, headers: &HeaderMap) -> Self {
        Self {
            language: Language::of_page(Some(form.get("lang")), headers),
            keeps_language: false,
            accepts_gzip: accepts_gzip(headers),
            query: FormFields::default(),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PageContext {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let query = FormFields::parse(parts.uri.query().unwrap_or("").as_bytes());
        let chosen = query.get("lang");
        Ok(Self {
            language: Language::of_page(Some(chosen), &parts.headers),
            keeps_language: Language::of_tag(chosen).is_some(),
            accepts_gzip: accepts_gzip(&parts.headers),
            query,
        })
    }
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(header::ACCEPT_ENCODING).into_iter().filter_map(|v| v.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|item| {
        let (coding, q) = item.split_once(';').unwrap_or((item, ""));
        let is_refused = q.trim().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0));
        coding.trim().eq_ignore_ascii_case("gzip") && !is_refused
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn gzip_is_used_only_if_the_client_accepts_it() {
        for (accept_encoding, accepts) in
            [("gzip, br", true), ("br;q=1, GZIP;q=0.5", true), ("gzip;q=0", false), ("br", false)]
        {
            let value = HeaderValue::from_static(accept_encoding);
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, value)]);
            assert_eq!(accepts_gzip(&headers), accepts, "{accept_encoding}");
        }
    }
}
