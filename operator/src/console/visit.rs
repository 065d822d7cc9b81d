//! A visit to a page: the language, who visits, and the frame that all pages share.

use std::convert::Infallible;
use std::sync::Arc;

use askama::Template;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use service::Language;

use super::assets::VERSION;
use super::messages::{self, Messages};
use crate::auth::{TokenHolder, authenticate};
use crate::error::Error;
use crate::state::OperatorState;
use crate::token::Role;

/// Allows only what this listener serves, and nothing inline.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// A request for a page.
pub(super) struct Visit {
    pub(super) language: Language,
    pub(super) t: &'static Messages,
    /// The fields of the query, without `lang`.
    pub(super) query: Vec<(String, String)>,
    pub(super) parts: Parts,
    /// The language was chosen with this request.
    chose_language: bool,
    /// Who sent the request, or why it is not known.
    visitor: Result<TokenHolder, Error>,
}

impl FromRequestParts<Arc<OperatorState>> for Visit {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, state: &Arc<OperatorState>) -> Result<Self, Infallible> {
        let query = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        let mut query = query.map(|Query(pairs)| pairs).unwrap_or_default();
        let chosen = query.iter().find(|(name, _)| name == "lang").map(|(_, tag)| tag.clone());
        query.retain(|(name, _)| name != "lang");
        let language = Language::of_page(chosen.as_deref(), &parts.headers);
        let chose_language = chosen.is_some();
        let visitor = authenticate(parts, state);
        let t = messages::of(language);
        Ok(Self { language, t, query, parts: parts.clone(), chose_language, visitor })
    }
}

/// The visitor as the page shows it.
pub(super) struct User {
    pub(super) name: String,
    pub(super) role: &'static str,
}

/// The common part of a page.
pub(super) struct ConsoleFrame {
    pub(super) t: &'static Messages,
    pub(super) title: String,
    pub(super) version: &'static str,
    /// Whether the page has live figures.
    pub(super) is_live: bool,
    pub(super) user: Option<User>,
    /// The address of the page in the other language.
    pub(super) other_href: String,
}

impl Visit {
    /// Who sent the request.
    pub(super) fn visitor(&self) -> Result<&TokenHolder, Error> {
        match &self.visitor {
            Ok(identity) => Ok(identity),
            Err(Error::CrossSite) => Err(Error::CrossSite),
            Err(Error::TooManyTries { retry_s }) => Err(Error::TooManyTries { retry_s: *retry_s }),
            Err(_) => Err(Error::Unauthenticated),
        }
    }

    /// The visitor, if it may make changes.
    pub(super) fn operator(&self) -> Result<&TokenHolder, Error> {
        let visitor = self.visitor()?;
        visitor.require_operator()?;
        Ok(visitor)
    }

    pub(super) fn may_change(&self) -> bool {
        self.operator().is_ok()
    }

    /// A field of the query; empty if it is missing.
    pub(super) fn field(&self, name: &str) -> &str {
        self.query.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value)
    }

    pub(super) fn frame(&self, title: impl Into<String>) -> ConsoleFrame {
        let t = self.t;
        let user = self.visitor.as_ref().ok().map(|identity| User {
            name: identity.name.clone(),
            role: if identity.role == Role::Viewer { t.role_viewer } else { t.role_operator },
        });
        let mut query = url_encoded(&self.query);
        if !query.is_empty() {
            query.push('&');
        }
        let other_href = format!("{}?{query}lang={}", self.parts.uri.path(), t.other_lang);
        ConsoleFrame { t, title: title.into(), version: &VERSION, is_live: false, user, other_href }
    }

    /// A page as a response.
    pub(super) fn html(&self, status: StatusCode, page: &impl Template) -> Response {
        let html = page.render().unwrap_or_else(|error| {
            tracing::error!(%error, "failed to render a page; the response is empty");
            String::new()
        });
        let mut response = (status, Html(html)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
        // With `no-referrer`, which is the default elsewhere, a browser would send `Origin: null` with the console's own forms.
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(self.t.lang));
        headers.append(header::VARY, HeaderValue::from_static("Accept-Language, Cookie"));
        if self.chose_language {
            let cookie = format!("lang={}; Path=/; SameSite=Lax; Max-Age=31536000", self.t.lang);
            let cookie = HeaderValue::try_from(cookie).unwrap_or_else(|_| HeaderValue::from_static(""));
            headers.append(header::SET_COOKIE, cookie);
        }
        response
    }
}

/// Fields as `application/x-www-form-urlencoded`.
fn url_encoded(fields: &[(String, String)]) -> String {
    let escape_byte = |byte: u8| match byte {
        _ if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    let escape = |text: &str| text.bytes().map(escape_byte).collect::<String>();
    fields
        .iter()
        .map(|(name, value)| format!("{}={}", escape(name), escape(value)))
        .collect::<Vec<_>>()
        .join("&")
}
