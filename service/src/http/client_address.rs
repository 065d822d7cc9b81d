//! The client's address behind proxies: the last address in `X-Forwarded-For` that was not added by a trusted proxy.

use std::net::{IpAddr, Ipv4Addr};

use axum::http::{HeaderMap, HeaderValue};

use super::network::Network;

/// The address that sent a request over a connection from `peer`. Only entries added by trusted proxies count, from right to left.
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|proxy| proxy.contains(address));
    let mut address = peer.to_canonical();
    if !is_trusted(address) {
        return address;
    }
    for hop in hops(headers) {
        let Some(hop) = hop else { break };
        address = hop;
        if !is_trusted(hop) {
            break;
        }
    }
    address
}

/// The entries of all `X-Forwarded-For` lines from the right; `None` for an entry that is not an address.
fn hops(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    let lines: Vec<&[u8]> =
        headers.get_all("x-forwarded-for").into_iter().map(HeaderValue::as_bytes).collect();
    lines.into_iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b',').map(parse_hop))
}

/// One entry, with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn parse_hop(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let address = text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|both| both.ip());
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().ok();
    let found = address.or_else(with_port).or_else(|| in_brackets().map(IpAddr::V6))?.to_canonical();
    // Some proxies write 0.0.0.0 for an unknown address.
    (found != IpAddr::V4(Ipv4Addr::UNSPECIFIED)).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        let trusted = ["10.0.0.0/8".parse().unwrap(), "2001:db8:aaaa::/48".parse().unwrap()];
        client_address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn only_trusted_proxies_set_the_client_address() {
        for (peer, lines, address) in [
            ("203.0.113.9", &["198.51.100.1"][..], "203.0.113.9"),
            ("203.0.113.9", &[], "203.0.113.9"),
            ("::ffff:203.0.113.9", &["1.1.1.1"], "203.0.113.9"),
            ("10.0.0.1", &["6.6.6.6, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &["6.6.6.6", "198.51.100.1", "10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &["6.6.6.6,198.51.100.1:4711"], "198.51.100.1"),
            ("10.0.0.1", &["6.6.6.6, [2001:db8::7]:80"], "2001:db8::7"),
            ("10.0.0.1", &["6.6.6.6, [2001:db8::7]"], "2001:db8::7"),
            ("10.0.0.1", &["6.6.6.6, ::ffff:198.51.100.1"], "198.51.100.1"),
            ("2001:db8:aaaa::1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["6.6.6.6, junk"], "10.0.0.1"),
            ("10.0.0.1", &["6.6.6.6, junk, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["6.6.6.6, "], "10.0.0.1"),
            ("10.0.0.1", &["6.6.6.6, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["6.6.6.6, 0.0.0.0"], "10.0.0.1"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &["\u{e9}"], "10.0.0.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
        ] {
            assert_eq!(client(peer, lines), address, "{peer} {lines:?}");
        }
    }
}
