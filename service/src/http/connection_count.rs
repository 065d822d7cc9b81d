//! The number of connections per client, so that one client cannot hold all of them. A trusted proxy is not limited.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use super::limits::Limits;
use super::network::client_key;

/// Open connections by client. There are at most as many entries as connections.
#[derive(Debug, Default)]
pub(super) struct ConnectionCounts(Mutex<HashMap<IpAddr, usize>>);

/// A counted connection of a client.
#[derive(Debug)]
pub(super) struct CountedConnection(Option<(Arc<ConnectionCounts>, IpAddr)>);

impl ConnectionCounts {
    /// Counts a connection; `None` if the client has reached its limit.
    pub(super) fn open(self: &Arc<Self>, peer: IpAddr, limits: &Limits) -> Option<CountedConnection> {
        let max = limits.connections_per_client_max;
        if max >= limits.connections_max || limits.proxies.iter().any(|proxy| proxy.contains(peer)) {
            return Some(CountedConnection(None));
        }
        let client = client_key(peer);
        let mut counts = self.0.lock();
        let count = counts.entry(client).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(CountedConnection(Some((Arc::clone(self), client))))
    }
}

impl Drop for CountedConnection {
    fn drop(&mut self) {
        let Some((counts, client)) = self.0.take() else { return };
        let mut counts = counts.0.lock();
        if let Entry::Occupied(mut entry) = counts.entry(client) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_limited_and_a_trusted_proxy_is_not() {
        let limits = Limits {
            connections_per_client_max: 2,
            proxies: vec!["10.0.0.0/8".parse().unwrap()],
            ..Limits::default()
        };
        let counts = Arc::new(ConnectionCounts::default());
        let open = |peer: &str| counts.open(peer.parse().unwrap(), &limits);
        let one = open("192.0.2.1");
        let two = open("192.0.2.1");
        assert!(one.is_some() && two.is_some() && open("192.0.2.1").is_none());
        assert!(open("192.0.2.2").is_some());
        drop(one);
        assert!(open("192.0.2.1").is_some());
        let proxied: Vec<_> = (0..9).map(|_| open("10.1.2.3")).collect();
        assert!(proxied.iter().all(Option::is_some));
        drop(two);
        assert!(counts.0.lock().is_empty());
    }
}
