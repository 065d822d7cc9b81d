//! The number of connections per client, so that one client cannot hold all of them; and per IPv6 network, so that it cannot be many
//! clients. A trusted proxy is not limited.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use super::limits::Limits;
use super::network::ClientNetwork;

type Counts = HashMap<ClientNetwork, usize>;

/// Open connections by client and network. There are at most three times as many entries as connections.
#[derive(Debug, Default)]
pub(super) struct ConnectionCounts(Mutex<Counts>);

/// A counted connection of a client.
#[derive(Debug)]
pub(super) struct CountedConnection(Option<(Arc<ConnectionCounts>, IpAddr)>);

impl ConnectionCounts {
    /// Counts a connection; `None` if the client, or a network that it is in, has reached its limit.
    pub(super) fn open(self: &Arc<Self>, peer: IpAddr, limits: &Limits) -> Option<CountedConnection> {
        let max = limits.connections_per_client_max;
        if max >= limits.connections_max || limits.proxies.iter().any(|proxy| proxy.contains(peer)) {
            return Some(CountedConnection(None));
        }
        let mut counts = self.0.lock();
        let is_full = |(network, times): (ClientNetwork, usize)| {
            let max = ClientNetwork::share(max, times, limits.connections_max);
            counts.get(&network).is_some_and(|count| *count >= max)
        };
        if ClientNetwork::all_of(peer).any(is_full) {
            return None;
        }
        for (network, _) in ClientNetwork::all_of(peer) {
            *counts.entry(network).or_default() += 1;
        }
        Some(CountedConnection(Some((Arc::clone(self), peer))))
    }
}

impl Drop for CountedConnection {
    fn drop(&mut self) {
        let Some((counts, peer)) = self.0.take() else { return };
        let mut counts = counts.0.lock();
        for (network, _) in ClientNetwork::all_of(peer) {
            if let Entry::Occupied(mut entry) = counts.entry(network) {
                *entry.get_mut() -= 1;
                if *entry.get() == 0 {
                    entry.remove();
                }
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

    #[test]
    fn an_ipv6_network_has_a_few_times_the_connections_of_a_client() {
        let limits = Limits { connections_per_client_max: 2, ..Limits::default() };
        let counts = Arc::new(ConnectionCounts::default());
        let open = |peer: String| counts.open(peer.parse().unwrap(), &limits);
        // Each from a /64 of its own.
        let of_56: Vec<_> = (0..10).filter_map(|n| open(format!("2001:db8:0:{n:x}::1"))).collect();
        assert_eq!(of_56.len(), 8);
        let of_48: Vec<_> = (1..60).filter_map(|n| open(format!("2001:db8:0:{n:x}00::1"))).collect();
        assert_eq!(of_48.len(), 24, "32 with those of the /56");
        assert!(open("2001:db8:1::1".to_owned()).is_some(), "another /48");
        drop((of_56, of_48));
        assert!(counts.0.lock().is_empty());
    }

    #[test]
    fn no_ipv6_network_occupies_all_connections() {
        let open_by = |connections_max: usize, client_max: usize| {
            let limits =
                Limits { connections_max, connections_per_client_max: client_max, ..Limits::default() };
            let counts = Arc::new(ConnectionCounts::default());
            let addresses = (0..100).map(|n| format!("2001:db8:0:{n:x}00::1"));
            let open = |peer: String| counts.open(peer.parse().unwrap(), &limits);
            let held: Vec<_> = addresses.cycle().take(400).filter_map(open).collect();
            held.len()
        };
        assert_eq!(open_by(100, 10), 50, "half of all");
        assert_eq!(open_by(100, 3), 48, "16 times a client's limit");
        assert_eq!(open_by(100, 60), 60, "what one client may have");
    }
}
