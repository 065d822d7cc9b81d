//! The check for requests from pages of other sites.

use axum::http::HeaderMap;

use crate::error::Error;

/// Refuses a request that, according to the browser, a page of another site sent.
pub(crate) fn reject_cross_site(headers: &HeaderMap) -> Result<(), Error> {
    match headers.get("sec-fetch-site") {
        Some(site) if site.as_bytes() == b"cross-site" => Err(Error::CrossSite),
        _ => Ok(()),
    }
}
