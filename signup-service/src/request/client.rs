//! The address of the client.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};
use service::http::{Network, client_address, client_key};

use crate::state::SignupState;

/// The address that limits count by: an IPv4 address or an IPv6 network. None without a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientAddress(pub(crate) Option<IpAddr>);

impl ClientAddress {
    /// The client of a connection from this peer.
    pub(crate) fn of_peer(peer: IpAddr, headers: &HeaderMap, signup: &SignupState) -> Self {
        Self(Some(address_behind(peer, headers, &signup.config.trusted_proxies)))
    }
}

impl FromRequestParts<Arc<SignupState>> for ClientAddress {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, signup: &Arc<SignupState>) -> Result<Self, Infallible> {
        let peer = peer(&parts.extensions);
        Ok(Self(peer.map(|peer| address_behind(peer, &parts.headers, &signup.config.trusted_proxies))))
    }
}

fn peer(extensions: &Extensions) -> Option<IpAddr> {
    Some(extensions.get::<ConnectInfo<SocketAddr>>()?.0.ip())
}

fn address_behind(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    client_key(client_address(peer, headers, trusted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(peer_text: &str, forwarded: &str) -> String {
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::new(peer_text.parse().unwrap(), 1)));
        let headers =
            HeaderMap::from_iter([("x-forwarded-for".parse().unwrap(), forwarded.parse().unwrap())]);
        let trusted = ["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()];
        address_behind(peer(&extensions).unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_sets_the_client_address() {
        assert_eq!(address("203.0.113.9", "198.51.100.1"), "203.0.113.9");
        assert_eq!(address("10.0.0.1", "6.6.6.6, 198.51.100.1, 10.0.0.2"), "198.51.100.1");
        assert_eq!(address("10.0.0.1", "junk"), "10.0.0.1");
        assert_eq!(address("::ffff:203.0.113.9", ""), "203.0.113.9");
        assert_eq!(address("2001:db8:1:2:3:4:5:6", ""), "2001:db8:1:2::");
    }
}
