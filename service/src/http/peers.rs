//! How many connections each client holds, so that one cannot take all places. A trusted proxy is not a client.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use super::Limits;
use super::network::client_of;

/// The connections by client. It knows no more clients than there are connections.
#[derive(Debug, Default)]
pub(super) struct Peers(Mutex<HashMap<IpAddr, usize>>);

/// One connection of a client; counted down when dropped.
#[derive(Debug)]
pub(super) struct Peer(Option<(Arc<Peers>, IpAddr)>);

impl Peers {
    /// Counts a connection; `None` if the client has as many as it may.
    pub(super) fn enter(self: &Arc<Self>, peer: IpAddr, limits: &Limits) -> Option<Peer> {
        let most = limits.connections_per_client_max;
        if most >= limits.connections_max || limits.proxies.iter().any(|proxy| proxy.contains(peer)) {
            return Some(Peer(None));
        }
        let client = client_of(peer);
        let mut held = self.0.lock();
        let count = held.entry(client).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Peer(Some((Arc::clone(self), client))))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let Some((peers, client)) = self.0.take() else { return };
        let mut held = peers.0.lock();
        if let Entry::Occupied(mut entry) = held.entry(client) {
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
    fn a_client_holds_as_many_as_it_may_and_a_proxy_any_number() {
        let limits = Limits {
            connections_per_client_max: 2,
            proxies: vec!["10.0.0.0/8".parse().unwrap()],
            ..Limits::default()
        };
        let peers = Arc::new(Peers::default());
        let enter = |peer: &str| peers.enter(peer.parse().unwrap(), &limits);
        let (one, two) = (enter("192.0.2.1"), enter("192.0.2.1"));
        assert!(one.is_some() && two.is_some() && enter("192.0.2.1").is_none());
        assert!(enter("192.0.2.2").is_some());
        drop(one);
        assert!(enter("192.0.2.1").is_some());
        let proxied: Vec<_> = (0..9).map(|_| enter("10.1.2.3")).collect();
        assert!(proxied.iter().all(Option::is_some));
        drop(two);
        assert!(peers.0.lock().is_empty());
    }
}
