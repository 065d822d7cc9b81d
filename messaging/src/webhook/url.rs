//! The URL of a webhook endpoint.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// Longest URL, in bytes.
const LENGTH_MAX: usize = 500;

/// An absolute URL with a host, without user and fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookUrl {
    text: String,
    /// Whether the connection is encrypted.
    pub(crate) is_https: bool,
    /// The name or address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The path with its query.
    pub(crate) path: String,
    /// The `Host` header.
    pub(crate) authority: String,
}

/// The text is not the URL of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no http:// or https:// URL with a host, without user and fragment, of at most 500 bytes")]
pub struct BadWebhookUrl;

impl WebhookUrl {
    /// The host, if it is an IP address. A resolver would not be asked for it.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

impl FromStr for WebhookUrl {
    type Err = BadWebhookUrl;

    fn from_str(text: &str) -> Result<Self, BadWebhookUrl> {
        let is_plain = text.bytes().all(|b| b.is_ascii_graphic() && b != b'#' && b != b'\\');
        if !is_plain || text.len() > LENGTH_MAX {
            return Err(BadWebhookUrl);
        }
        let (scheme, rest) = text.split_once("://").ok_or(BadWebhookUrl)?;
        let is_https = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err(BadWebhookUrl),
        };
        let path_at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(path_at);
        let (host, port) = split_port(authority, if is_https { 443 } else { 80 })?;
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { text: text.to_owned(), is_https, host, port, path, authority: authority.to_owned() })
    }
}

fn split_port(authority: &str, default: u16) -> Result<(String, u16), BadWebhookUrl> {
    let (host, port) = match authority.rsplit_once(':') {
        // The colons of an IPv6 address are inside brackets.
        Some((host, port)) if !port.contains(']') => (host, port.parse().map_err(|_| BadWebhookUrl)?),
        _ => (authority, default),
    };
    let (host, is_host) = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) => (inner, inner.parse::<Ipv6Addr>().is_ok()),
        None => (host, host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))),
    };
    if host.is_empty() || !is_host || port == 0 {
        return Err(BadWebhookUrl);
    }
    Ok((host.to_ascii_lowercase(), port))
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_split_into_what_the_request_needs() {
        let url: WebhookUrl = "https://Crm.example:8443/hook?a=1".parse().unwrap();
        assert_eq!((url.is_https, url.host.as_str(), url.port), (true, "crm.example", 8443));
        assert_eq!((url.path.as_str(), url.authority.as_str()), ("/hook?a=1", "Crm.example:8443"));
        let bare: WebhookUrl = "https://[2606:4700::1]".parse().unwrap();
        assert_eq!((bare.port, bare.path.as_str(), bare.address()), (443, "/", "2606:4700::1".parse().ok()));
        assert_eq!("http://10.1.2.3?x".parse::<WebhookUrl>().unwrap().path, "/?x");
    }

    #[test]
    fn other_texts_are_refused() {
        for bad in [
            "",
            "crm.example",
            "ftp://a/",
            "https://",
            "https:///x",
            "https://a@b/",
            "https://a:0/",
            "https://a:99999/",
            "https://a b/",
            "https://a/#x",
            "https://a\\b/",
            "https://[::1/",
            "https://[nope]/",
            "https://::1/",
            "https://user:pass@a/",
            "https://봄/",
            "https://a:x/",
        ] {
            assert_eq!(bad.parse::<WebhookUrl>(), Err(BadWebhookUrl), "{bad}");
        }
        assert!(format!("https://a/{}", "x".repeat(500)).parse::<WebhookUrl>().is_err());
    }
}
