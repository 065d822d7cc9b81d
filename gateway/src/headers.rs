//! Headers of forwarded requests and responses: hop-by-hop headers are removed, and headers about the client are replaced.

use std::net::IpAddr;

use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Request, Version};
use domain::Rng;
use service::trace::{TRACEPARENT, is_traceparent, new_traceparent};

use crate::client::ClientIdentity;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Whether the header applies to one connection only (RFC 9110 7.6.1).
fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

/// Whether a client could use the header to claim another identity, or a path other than the matched one.
fn is_reserved(name: &str) -> bool {
    matches!(name, "forwarded" | "x-real-ip" | "x-original-url" | "x-rewrite-url" | "proxy")
        || name.starts_with("x-forwarded-")
        || name.starts_with("x-internal-")
        // Says whose pass was verified.
        || name.starts_with("x-firstcome-")
}

/// Whether a request header is not forwarded. Some servers treat an underscore as a dash.
fn is_removed(name: &HeaderName) -> bool {
    let name = name.as_str();
    // The gateway itself meets the expectation by reading the body.
    let removed = |name: &str| name == "expect" || is_hop_by_hop(name) || is_reserved(name);
    removed(name) || (name.contains('_') && removed(&name.replace('_', "-")))
}

/// Removes matching headers and those that `Connection` names.
fn strip(headers: &mut HeaderMap, matches: fn(&HeaderName) -> bool) {
    let mut removed: Vec<HeaderName> = headers.keys().filter(|name| matches(name)).cloned().collect();
    // `Connection` itself would match.
    if removed.is_empty() {
        return;
    }
    for line in headers.get_all(header::CONNECTION) {
        let names = line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        // Nearly every service sends it, and that header is removed in any case.
        let names = names.filter(|name| !name.eq_ignore_ascii_case(b"keep-alive"));
        removed.extend(names.filter_map(|name| HeaderName::from_bytes(name).ok()).filter(is_strippable));
    }
    for name in removed {
        headers.remove(name);
    }
}

/// Headers that define the message cannot be removed by naming them in `Connection`.
fn is_strippable(name: &HeaderName) -> bool {
    *name != header::HOST && *name != header::CONTENT_LENGTH
}

/// Headers that tell the service about the client.
#[derive(Debug)]
pub(crate) struct ForwardedHeaders {
    address: HeaderValue,
    forwarded: HeaderValue,
    scheme: HeaderValue,
}

impl ForwardedHeaders {
    pub(crate) fn of(asker: ClientIdentity) -> Self {
        let ClientIdentity { address, tls } = asker;
        let scheme = if tls { "https" } else { "http" };
        // RFC 7239: IPv6 addresses stand in quotes and brackets.
        let forwarded = match address {
            IpAddr::V4(v4) => format!("for={v4};proto={scheme}"),
            IpAddr::V6(v6) => format!("for=\"[{v6}]\";proto={scheme}"),
        };
        Self {
            address: text_value(&address.to_string()),
            forwarded: text_value(&forwarded),
            scheme: HeaderValue::from_static(scheme),
        }
    }
}

/// The most headers that are added to a request.
const ADDED_MAX: usize = 11;

/// Prepares the headers of a request for forwarding.
pub(crate) fn forward<B>(
    request: &mut Request<B>,
    client: &ForwardedHeaders,
    upstream_host: &HeaderValue,
    via: &Via,
    rng: &Rng,
) {
    let version = request.version();
    let authority = request.uri().authority().and_then(|named| HeaderValue::from_str(named.as_str()).ok());
    let headers = request.headers_mut();
    strip(headers, is_removed);
    headers.reserve(ADDED_MAX);
    if let Some(host) = headers.get(header::HOST).cloned() {
        headers.insert(X_FORWARDED_HOST, host);
    } else if let Some(host) = authority {
        // HTTP/2 carries it in `:authority`.
        headers.insert(X_FORWARDED_HOST, host.clone());
        headers.insert(header::HOST, host);
    } else {
        // HTTP/1.0 allows a request without a host, HTTP/1.1 to the service does not.
        headers.insert(header::HOST, upstream_host.clone());
    }
    join_cookies(headers, version);
    headers.insert(header::FORWARDED, client.forwarded.clone());
    headers.insert(X_FORWARDED_FOR, client.address.clone());
    headers.insert(X_REAL_IP, client.address.clone());
    headers.insert(X_FORWARDED_PROTO, client.scheme.clone());
    headers.append(header::VIA, if version == Version::HTTP_2 { via.h2.clone() } else { via.h1.clone() });
    ensure_traceparent(headers, rng);
}

/// Adds a `traceparent` unless there is a well-formed one.
pub(crate) fn ensure_traceparent(headers: &mut HeaderMap, rng: &Rng) {
    if !headers.get(&TRACEPARENT).is_some_and(is_traceparent) {
        headers.insert(TRACEPARENT, new_traceparent(rng));
    }
}

/// Prepares the headers of a response for the client.
pub(crate) fn return_to_client(headers: &mut HeaderMap) {
    strip(headers, |name| is_hop_by_hop(name.as_str()));
}

/// HTTP/2 may split cookies; HTTP/1.1 has one header (RFC 9113 8.2.3).
fn join_cookies(headers: &mut HeaderMap, version: Version) {
    if version != Version::HTTP_2 {
        return;
    }
    let lines: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if lines.len() > 1
        && let Ok(one) = HeaderValue::from_bytes(&lines.join(&b"; "[..]))
    {
        headers.insert(header::COOKIE, one);
    }
}

fn text_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| unreachable!("addresses are valid in a header"))
}

/// The `Via` entry by which this process recognises itself.
#[derive(Debug, Clone)]
pub(crate) struct Via {
    name: String,
    h1: HeaderValue,
    h2: HeaderValue,
}

impl Via {
    pub(crate) fn new(rng: &Rng) -> Self {
        let mut bytes = [0; 4];
        rng(&mut bytes);
        let name = format!("firstcome-{:08x}", u32::from_be_bytes(bytes));
        // Created once per process. A static value is cloned without a locked instruction.
        let value = |version: &str| HeaderValue::from_static(format!("{version} {name}").leak());
        Self { h1: value("1.1"), h2: value("2"), name }
    }

    /// Whether the request has passed through this process before: an upstream leads back here.
    pub(crate) fn is_loop(&self, headers: &HeaderMap) -> bool {
        let mut lines = headers.get_all(header::VIA).iter().filter_map(|line| line.to_str().ok());
        lines.any(|line| line.contains(&self.name))
    }
}

/// Whether the body has a transfer coding besides `chunked`. The gateway drops the header, so the recipient would read the coded bytes
/// as the body itself.
pub(crate) fn has_other_coding(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    codings.any(|coding| !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"))
}

/// Whether a `Host` is a name or an address with an optional port, and nothing else.
pub(crate) fn is_host(host: &[u8]) -> bool {
    let (name, port) = match host.iter().rposition(|byte| *byte == b':') {
        Some(colon) if !host[colon..].contains(&b']') => (&host[..colon], &host[colon + 1..]),
        _ => (host, &b""[..]),
    };
    let is_name = match name {
        [b'[', inner @ .., b']'] => {
            std::str::from_utf8(inner).is_ok_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok())
        }
        _ => name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(byte)),
    };
    is_name && !name.is_empty() && name.len() <= 253 && port.len() <= 5 && port.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_an_optional_port() {
        for host in
            ["shop.example", "shop.example:8080", "192.0.2.1", "[2001:db8::1]", "[::1]:80", "a_b", "x:"]
        {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in [
            "",
            ":80",
            "a b",
            "a/b",
            "user@shop",
            "a,b",
            "[::1",
            "::1",
            "a:b",
            "a:123456",
            "[x]",
            "shop?x",
            "a\\b",
            "[::1]x",
            "shop#",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn a_header_with_underscores_counts_as_one_with_dashes() {
        for name in [
            "x-forwarded-for",
            "x_forwarded_for",
            "x_real-ip",
            "forwarded",
            "x-internal-user",
            "x-firstcome-pass",
            "x_firstcome_number",
            "te",
            "expect",
        ] {
            assert!(is_removed(&name.parse().unwrap()), "{name}");
        }
        for name in ["accept", "my_header", "authorization", "cookie", "content-length"] {
            assert!(!is_removed(&name.parse().unwrap()), "{name}");
        }
    }
}
