//! Who knocks: the client's address, its trace, and whether its browser came from another site.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::{Extensions, HeaderMap};

use crate::refusal::Refusal;

/// Refuses what a browser says another site sent.
pub(crate) fn from_our_site(headers: &HeaderMap) -> Result<(), Refusal> {
    match headers.get("sec-fetch-site") {
        Some(site) if site.as_bytes() == b"cross-site" => Err(Refusal::CrossSite),
        _ => Ok(()),
    }
}

/// The request's own trace id from `traceparent`, if that is well formed.
pub(crate) fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let id = text.strip_prefix("00-")?.get(..32)?;
    let hex = id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    (hex && id.bytes().any(|b| b != b'0')).then_some(id)
}

/// The client as far as limits tell clients apart: its address, or the /64 that it is in. Behind a trusted proxy it is the
/// last address that the proxy did not make up.
pub(crate) fn client(extensions: &Extensions, headers: &HeaderMap, trusted: &[IpAddr]) -> Option<IpAddr> {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>()?.0.ip().to_canonical();
    Some(network(if trusted.contains(&peer) { forwarded(headers, trusted).unwrap_or(peer) } else { peer }))
}

fn forwarded(headers: &HeaderMap, trusted: &[IpAddr]) -> Option<IpAddr> {
    let lines: Vec<_> =
        headers.get_all("x-forwarded-for").into_iter().filter_map(|v| v.to_str().ok()).collect();
    let hops = lines.iter().rev().flat_map(|line| line.rsplit(','));
    hops.map_while(|hop| hop.trim().parse::<IpAddr>().ok())
        .map(|address| address.to_canonical())
        .find(|address| !trusted.contains(address))
}

fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(peer: &str, forwarded: &str) -> Option<String> {
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 1)));
        let headers =
            HeaderMap::from_iter([("x-forwarded-for".parse().unwrap(), forwarded.parse().unwrap())]);
        let trusted = ["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()];
        client(&extensions, &headers, &trusted).map(|address| address.to_string())
    }

    #[test]
    fn only_a_trusted_proxy_may_say_who_the_client_is() {
        assert_eq!(from("203.0.113.9", "198.51.100.1").unwrap(), "203.0.113.9");
        assert_eq!(from("10.0.0.1", "6.6.6.6, 198.51.100.1, 10.0.0.2").unwrap(), "198.51.100.1");
        assert_eq!(from("10.0.0.1", "junk").unwrap(), "10.0.0.1");
        assert_eq!(from("::ffff:203.0.113.9", "").unwrap(), "203.0.113.9");
        assert_eq!(from("2001:db8:1:2:3:4:5:6", "").unwrap(), "2001:db8:1:2::");
    }

    #[test]
    fn a_trace_id_is_taken_only_if_well_formed() {
        let with = |v: &str| HeaderMap::from_iter([("traceparent".parse().unwrap(), v.parse().unwrap())]);
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(trace_id(&with(good)), Some("0af7651916cd43dd8448eb211c80319c"));
        for bad in ["", "00-", "00-00000000000000000000000000000000-b7ad6b7169203331-01", "00-xyz"] {
            assert_eq!(trace_id(&with(bad)), None);
        }
    }
}
