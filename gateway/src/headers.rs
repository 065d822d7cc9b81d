//! The headers on their way through: what belongs to one connection stays here, and what tells who asked is made anew.

use std::net::IpAddr;

use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Request, Version};
use domain::Rng;

use crate::client::ClientIdentity;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Whether the header is about one connection only (RFC 9110 7.6.1).
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

/// Whether a client could make itself out as somebody else by it, or ask for another path than the one that was matched.
fn is_ours_to_say(name: &str) -> bool {
    matches!(name, "forwarded" | "x-real-ip" | "x-original-url" | "x-rewrite-url" | "proxy")
        || name.starts_with("x-forwarded-")
        || name.starts_with("x-internal-")
}

/// Whether a request's header stays here. Some servers take an underscore for a dash.
fn stays_here(name: &HeaderName) -> bool {
    let name = name.as_str();
    // We have met the expectation by reading the body.
    let stays = |name: &str| name == "expect" || is_hop_by_hop(name) || is_ours_to_say(name);
    stays(name) || (name.contains('_') && stays(&name.replace('_', "-")))
}

/// Takes out what belongs to one connection, and what `Connection` names besides.
fn strip(headers: &mut HeaderMap, stays: fn(&HeaderName) -> bool) {
    let mut going: Vec<HeaderName> = headers.keys().filter(|name| stays(name)).cloned().collect();
    // `Connection` itself would be among them.
    if going.is_empty() {
        return;
    }
    for line in headers.get_all(header::CONNECTION) {
        let names = line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        // Nearly every service says it, and that header goes in any case.
        let names = names.filter(|name| !name.eq_ignore_ascii_case(b"keep-alive"));
        going.extend(names.filter_map(|name| HeaderName::from_bytes(name).ok()).filter(is_strippable));
    }
    for name in going {
        headers.remove(name);
    }
}

/// A client may not name the headers that say what a message is.
fn is_strippable(name: &HeaderName) -> bool {
    *name != header::HOST && *name != header::CONTENT_LENGTH
}

/// Who asks, as the headers of a forwarded request say it.
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

/// Most headers that are added to a request.
const ADDED: usize = 8;

/// Makes the headers of a request fit to go on.
pub(crate) fn forward<B>(
    request: &mut Request<B>,
    marks: &ForwardedHeaders,
    upstream_host: &HeaderValue,
    via: &Via,
    rng: &Rng,
) {
    let version = request.version();
    let authority = request.uri().authority().and_then(|named| HeaderValue::from_str(named.as_str()).ok());
    let headers = request.headers_mut();
    strip(headers, stays_here);
    headers.reserve(ADDED);
    if let Some(host) = headers.get(header::HOST).cloned() {
        headers.insert(X_FORWARDED_HOST, host);
    } else if let Some(host) = authority {
        // HTTP/2 names it before the headers.
        headers.insert(X_FORWARDED_HOST, host.clone());
        headers.insert(header::HOST, host);
    } else {
        // HTTP/1.0 may name none, and HTTP/1.1 to the service must.
        headers.insert(header::HOST, upstream_host.clone());
    }
    join_cookies(headers, version);
    headers.insert(header::FORWARDED, marks.forwarded.clone());
    headers.insert(X_FORWARDED_FOR, marks.address.clone());
    headers.insert(X_REAL_IP, marks.address.clone());
    headers.insert(X_FORWARDED_PROTO, marks.scheme.clone());
    headers.append(header::VIA, if version == Version::HTTP_2 { via.h2.clone() } else { via.h1.clone() });
    if !headers.get(&TRACEPARENT).is_some_and(is_trace) {
        headers.insert(TRACEPARENT, new_trace(rng));
    }
}

/// Makes the headers of an answer fit to go on.
pub(crate) fn back(headers: &mut HeaderMap) {
    strip(headers, |name| is_hop_by_hop(name.as_str()));
}

/// HTTP/2 may split them; HTTP/1.1 has one line (RFC 9113 8.2.3).
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
    HeaderValue::from_str(text).unwrap_or_else(|_| unreachable!("addresses and digits fit in a header"))
}

/// Whether it is a `traceparent` that may be passed on (W3C Trace Context 3.2).
fn is_trace(value: &HeaderValue) -> bool {
    let is_hex = |text: &[u8]| text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_some = |text: &[u8]| is_hex(text) && text.iter().any(|byte| *byte != b'0');
    match value.as_bytes() {
        [b'0', b'0', b'-', rest @ ..] if rest.len() == 52 => {
            rest[32] == b'-'
                && rest[49] == b'-'
                && is_some(&rest[..32])
                && is_some(&rest[33..49])
                && is_hex(&rest[50..])
        }
        _ => false,
    }
}

fn new_trace(rng: &Rng) -> HeaderValue {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut bytes = [0; 24];
    rng(&mut bytes);
    // All zeros would be no trace.
    (bytes[15], bytes[23]) = (bytes[15] | 1, bytes[23] | 1);
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-01";
    for (at, byte) in bytes.iter().enumerate() {
        let place = if at < 16 { 3 + at * 2 } else { 4 + at * 2 };
        text[place] = DIGITS[usize::from(byte >> 4)];
        text[place + 1] = DIGITS[usize::from(byte & 15)];
    }
    HeaderValue::from_bytes(&text).unwrap_or_else(|_| unreachable!("hexadecimal digits fit in a header"))
}

/// What this process adds to `Via`, and knows itself by.
#[derive(Debug)]
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
        // Made once a process. A static value is cloned without a locked instruction.
        let value = |version: &str| HeaderValue::from_static(format!("{version} {name}").leak());
        Self { h1: value("1.1"), h2: value("2"), name }
    }

    /// Whether the request has been through this very process: an upstream leads back to us.
    pub(crate) fn has_seen(&self, headers: &HeaderMap) -> bool {
        let mut lines = headers.get_all(header::VIA).iter().filter_map(|line| line.to_str().ok());
        lines.any(|line| line.contains(&self.name))
    }
}

/// Whether the `Host` is a name or address with perhaps a port, and nothing besides.
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
    fn a_host_is_a_name_or_an_address_and_perhaps_a_port() {
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
    fn a_trace_is_kept_if_well_formed_and_made_if_not() {
        let rng: Rng = std::sync::Arc::new(|bytes: &mut [u8]| bytes.fill(0));
        assert!(is_trace(&new_trace(&rng)));
        assert!(is_trace(&"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().unwrap()));
        for bad in [
            "",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            assert!(!is_trace(&bad.parse().unwrap()), "{bad}");
        }
    }

    #[test]
    fn a_header_with_underscores_is_the_one_with_dashes() {
        for name in [
            "x-forwarded-for",
            "x_forwarded_for",
            "x_real-ip",
            "forwarded",
            "x-internal-user",
            "te",
            "expect",
        ] {
            assert!(stays_here(&name.parse().unwrap()), "{name}");
        }
        for name in ["accept", "my_header", "authorization", "cookie", "content-length"] {
            assert!(!stays_here(&name.parse().unwrap()), "{name}");
        }
    }
}
