//! The client of a request: its address as far as it can be trusted, and the key by which limits tell clients apart.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, Hash, Hasher, RandomState};
use std::net::IpAddr;
use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderValue};
use service::http::{ClientNetwork, Network, client_address};

/// A client as limits see it, an IPv4 address or an IPv6 /64, or a wider network. It is a hash by a secret, so that no one can choose
/// colliding clients. Of 64 bits, so that two clients never have the same one by chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientKey(u64);

impl ClientKey {
    /// The hash.
    pub(crate) fn hash(self) -> u64 {
        self.0
    }

    /// The shard of this client, the same each time. It derives from the upper half of the hash, because hash maps use the lower.
    pub(crate) fn shard(self, shards: usize) -> usize {
        usize::try_from((self.0 >> 32) % shards as u64).unwrap_or(0)
    }
}

impl From<ClientNetwork> for ClientKey {
    fn from(network: ClientNetwork) -> Self {
        static SECRET: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        Self(SECRET.hash_one(network))
    }
}

/// A client and the networks that it is in. Computed once, because every request needs them several times.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientKeys {
    client: ClientKey,
    /// None for an IPv4 address.
    networks: Option<[ClientKey; 2]>,
}

impl ClientKeys {
    pub(crate) fn of(address: IpAddr) -> Self {
        let mut keys = ClientNetwork::all_of(address).map(|(network, _)| ClientKey::from(network));
        let Some(client) = keys.next() else { unreachable!("a client is a network of its own") };
        Self { client, networks: keys.next().zip(keys.next()).map(|(smaller, wider)| [smaller, wider]) }
    }

    pub(crate) fn client(&self) -> ClientKey {
        self.client
    }

    /// The client, and then the networks from the smallest on, each with how many times a client's limit it may have.
    pub(crate) fn all(&self) -> impl Iterator<Item = (ClientKey, usize)> {
        std::iter::once(self.client).chain(self.networks.into_iter().flatten()).zip(ClientNetwork::TIMES)
    }

    /// The same, where the networks have keys of their own for each upstream.
    pub(crate) fn all_of_upstream(&self, upstream: usize) -> impl Iterator<Item = (ClientKey, usize)> {
        // A large odd number, so that keys of two upstreams differ in all parts.
        let salt = (upstream as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let salted = move |key: ClientKey| ClientKey(key.0.wrapping_add(salt));
        self.all()
            .enumerate()
            .map(move |(nth, (key, times))| (if nth == 0 { key } else { salted(key) }, times))
    }
}

impl Hash for ClientKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0);
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
    /// Whether the client used TLS, with the gateway or with a trusted proxy.
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
        let key = |address: &str| ClientKeys::of(address.parse().unwrap()).client();
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }

    #[test]
    fn an_ipv6_client_shares_the_keys_of_its_networks() {
        let keys = |address: &str| ClientKeys::of(address.parse().unwrap()).all().collect::<Vec<_>>();
        let (one, two) = (keys("2001:db8::1"), keys("2001:db8:0:1::1"));
        assert_ne!(one[0], two[0]);
        assert_eq!(one[1..], two[1..]);
        assert_ne!(one[1], keys("2001:db8:0:100::1")[1]);
        // A /64 and the /56 that begins at the same address have different keys.
        assert_ne!(one[0].0, one[1].0);
        assert_eq!(keys("192.0.2.1").len(), 1);
    }
}
