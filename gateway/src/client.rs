//! The client of a request: its address as far as it can be trusted, and the key by which limits tell clients apart.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, Hash, Hasher, RandomState};
use std::net::IpAddr;
use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderValue};
use service::http::{Network, client_address, client_key};

/// A client as limits see it: an IPv4 address or an IPv6 /64. IPv4 addresses use keys that no IPv6 network has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientKey {
    client: u64,
    /// Computed once, because every request needs it several times; keyed by a secret, so that no one can choose colliding clients.
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

    /// The shard of this client, the same each time. It derives from the upper half of the hash, because hash maps use the lower.
    pub(crate) fn shard(self, shards: usize) -> usize {
        usize::try_from((self.hash >> 32) % shards as u64).unwrap_or(0)
    }
}

impl Hash for ClientKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// A hasher that returns the hash which a [`ClientKey`] already has.
#[derive(Debug, Default)]
pub(crate) struct IdentityHasher(u64);

impl Hasher for IdentityHasher {
    fn write(&mut self, bytes: &[u8]) {
        unreachable!("a client key is hashed by one number, not by {} bytes", bytes.len())
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A map by client.
pub(crate) type ByClient<T> = HashMap<ClientKey, T, BuildHasherDefault<IdentityHasher>>;

/// The client's address and whether it used TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientIdentity {
    /// The last address that no trusted proxy added.
    pub(crate) address: IpAddr,
    /// Whether the client used TLS with a trusted proxy.
    pub(crate) tls: bool,
}

impl ClientIdentity {
    /// The client of a request over a connection from `peer`.
    pub(crate) fn behind(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> Self {
        let by_proxy = trusted.iter().any(|proxy| proxy.contains(peer));
        let is_https = |proto: &HeaderValue| proto.as_bytes() == b"https";
        let tls = by_proxy && headers.get("x-forwarded-proto").is_some_and(is_https);
        Self { address: client_address(peer, headers, trusted), tls }
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
