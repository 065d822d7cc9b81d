//! Hosts of addresses, and whether they are of one site.

use domain::look::web_origin;

/// The host of an address; empty if it has none.
pub(crate) fn host(url: &str) -> &str {
    let authority = web_origin(url).and_then(|origin| origin.split_once("://"));
    authority.and_then(|(_, authority)| authority.split(':').next()).unwrap_or_default()
}

/// Whether a host is the domain or one of its subdomains.
pub(crate) fn is_within(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
