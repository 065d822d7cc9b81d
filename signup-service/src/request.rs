//! The address of the client, and the check for requests from another site.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::{Extensions, HeaderMap};
use service::http::{Network, client_address, client_key};

use crate::error::Error;

/// Refuses what a browser says another site sent.
pub(crate) fn from_our_site(headers: &HeaderMap) -> Result<(), Error> {
    match headers.get("sec-fetch-site") {
        Some(site) if site.as_bytes() == b"cross-site" => Err(Error::CrossSite),
        _ => Ok(()),
    }
}

/// The client as far as limits tell clients apart; none where there is no connection.
pub(crate) fn client(extensions: &Extensions, headers: &HeaderMap, trusted: &[Network]) -> Option<IpAddr> {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>()?.0.ip();
    Some(client_at(peer, headers, trusted))
}

/// The client of a connection from this peer.
pub(crate) fn client_at(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    client_key(client_address(peer, headers, trusted))
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
}
