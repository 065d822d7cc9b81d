//! Who asks: the client's address as far as it can be believed, and its key as far as limits tell clients apart.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, Hash, Hasher, RandomState};
use std::net::IpAddr;
use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderValue};
use service::http::{Network, client_address, client_key};

use crate::headers::ForwardedHeaders;

/// What one client is to the limits: an IPv4 address, or an IPv6 /64. An IPv4 address stands where no IPv6 network is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientKey {
    client: u64,
    /// Made once, as every request needs it several times; by a secret, so that nobody can choose clients that collide.
    hash: u64,
}

impl ClientKey {
    pub(crate) fn of(address: IpAddr) -> Self {
        static SECRET: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        let client = match client_key(address) {
            IpAddr::V4(v4) => u64::from(v4.to_bits()),
            IpAddr::V6(v6) => u64::try_from(v6.to_bits() >> 64).unwrap_or(0),
        };
        Self { client, hash: SECRET.hash_one(client) }
    }

    /// One of so many places, the same each time. It takes the upper half of the hash, as the maps take the lower.
    pub(crate) fn place(self, among: usize) -> usize {
        usize::try_from((self.hash >> 32) % among as u64).unwrap_or(0)
    }
}

impl Hash for ClientKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// The hash that a [`ClientKey`] has already.
#[derive(Debug, Default)]
pub(crate) struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        unreachable!("a client's key is hashed by one number, not by {} bytes", bytes.len())
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Something of each client.
pub(crate) type ByClient<T> = HashMap<ClientKey, T, BuildHasherDefault<Hashed>>;

/// Who asks, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientIdentity {
    /// The last address that no trusted proxy made up.
    pub(crate) address: IpAddr,
    /// Whether it spoke TLS with a trusted proxy before us.
    pub(crate) tls: bool,
}

impl ClientIdentity {
    /// Who asks over a connection from `peer`.
    pub(crate) fn behind(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> Self {
        let by_proxy = trusted.iter().any(|proxy| proxy.contains(peer));
        let secure = |proto: &HeaderValue| proto.as_bytes() == b"https";
        let tls = by_proxy && headers.get("x-forwarded-proto").is_some_and(secure);
        Self { address: client_address(peer, headers, trusted), tls }
    }
}

/// What the gateway makes of who asks.
#[derive(Debug)]
pub(crate) struct KnownClient {
    /// Who it is to the limits.
    pub(crate) key: ClientKey,
    /// What the service is told of it.
    pub(crate) marks: ForwardedHeaders,
}

impl From<ClientIdentity> for KnownClient {
    fn from(asker: ClientIdentity) -> Self {
        Self { key: ClientKey::of(asker.address), marks: ForwardedHeaders::of(asker) }
    }
}

/// A connection: either a client's own, or a trusted proxy's, which carries many clients' requests.
#[derive(Debug)]
pub(crate) enum Caller {
    Client(KnownClient),
    Proxy(IpAddr),
}

impl Caller {
    pub(crate) fn meet(peer: IpAddr, trusted: &[Network]) -> Self {
        let peer = peer.to_canonical();
        if trusted.iter().any(|proxy| proxy.contains(peer)) {
            return Self::Proxy(peer);
        }
        Self::Client(ClientIdentity { address: peer, tls: false }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_an_ipv4_address_or_an_ipv6_64() {
        let key = |address: &str| ClientKey::of(address.parse().unwrap());
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }
}
