//! The number of requests in flight per client, and per IPv6 network and upstream. Clients without one are not stored.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use service::http::ClientNetwork;

use crate::client::{ByClient, ClientKey, ClientKeys};

const SHARDS: usize = 64;

/// Requests in flight by client.
#[derive(Debug)]
pub(crate) struct InFlight {
    shards: Arc<[Mutex<ByClient<usize>>]>,
    max: usize,
}

/// One request in flight, until it is dropped.
#[derive(Debug)]
pub(crate) struct InFlightGuard {
    counts: Arc<InFlight>,
    client: ClientKeys,
    upstream: usize,
}

impl InFlight {
    pub(crate) fn new(max: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, max }
    }

    /// The same counts under another limit.
    pub(crate) fn with_max(&self, max: usize) -> Self {
        Self { shards: Arc::clone(&self.shards), max }
    }

    /// Counts a request to an upstream that bears `upstream_max`; `None` if the client, or a network that it is in, is at its limit. A
    /// client has one limit for all upstreams.
    pub(crate) fn begin(
        self: &Arc<Self>,
        client: ClientKeys,
        upstream: usize,
        upstream_max: usize,
    ) -> Option<InFlightGuard> {
        for (nth, (key, times)) in client.all_of_upstream(upstream).enumerate() {
            if !self.count(key, ClientNetwork::share(self.max, times, upstream_max)) {
                client.all_of_upstream(upstream).take(nth).for_each(|(key, _)| self.uncount(key));
                return None;
            }
        }
        Some(InFlightGuard { counts: Arc::clone(self), client, upstream })
    }

    /// Adds one; false if there are `max` already.
    fn count(&self, key: ClientKey, max: usize) -> bool {
        let mut shard = self.shard(key);
        let count = shard.entry(key).or_default();
        if *count >= max {
            return false;
        }
        *count += 1;
        true
    }

    fn uncount(&self, key: ClientKey) {
        if let Entry::Occupied(mut entry) = self.shard(key).entry(key) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }

    fn shard(&self, client: ClientKey) -> MutexGuard<'_, ByClient<usize>> {
        self.shards[client.shard(SHARDS)].lock()
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.client.all_of_upstream(self.upstream).for_each(|(key, _)| self.counts.uncount(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_at_most_its_limit_in_flight_and_is_then_removed() {
        let in_flight = Arc::new(InFlight::new(2));
        let client = |n: u8| ClientKeys::of([10, 0, 0, n].into());
        let held: Vec<_> = (0..3).map(|upstream| in_flight.begin(client(1), upstream, 2)).collect();
        assert_eq!(held.iter().flatten().count(), 2, "of all upstreams");
        assert!(in_flight.begin(client(2), 0, 2).is_some());
        drop(held);
        assert!(in_flight.begin(client(1), 0, 2).is_some());
        assert!(in_flight.shards.iter().all(|shard| shard.lock().is_empty()));
    }

    #[test]
    fn an_ipv6_network_has_a_few_times_the_requests_of_a_client() {
        let in_flight = Arc::new(InFlight::new(2));
        let begin = |address: String| in_flight.begin(ClientKeys::of(address.parse().unwrap()), 0, 64);
        let of_56: Vec<_> = (0..10).filter_map(|n| begin(format!("2001:db8:0:{n:x}::1"))).collect();
        assert_eq!(of_56.len(), 8);
        let of_48: Vec<_> = (1..60).filter_map(|n| begin(format!("2001:db8:0:{n:x}00::1"))).collect();
        assert_eq!(of_48.len(), 24, "32 with those of the /56");
        assert!(begin("2001:db8:1::1".to_owned()).is_some(), "another /48");
        drop((of_56, of_48));
        assert!(in_flight.shards.iter().all(|shard| shard.lock().is_empty()));
    }

    #[test]
    fn no_ipv6_network_occupies_all_of_an_upstream() {
        let in_flight = Arc::new(InFlight::new(64));
        let begin = |n: usize, upstream: usize, upstream_max: usize| {
            let address = format!("2001:db8:0:{:x}::1", n / 64);
            in_flight.begin(ClientKeys::of(address.parse().unwrap()), upstream, upstream_max)
        };
        let held: Vec<_> = (0..1000).filter_map(|n| begin(n, 0, 256)).collect();
        assert_eq!(held.len(), 128, "half of it");
        assert!(begin(999, 1, 256).is_some(), "another upstream");
        drop(held);
        let held: Vec<_> = (0..1000).filter_map(|n| begin(n, 0, 100)).collect();
        assert_eq!(held.len(), 64, "what one client may have");
        drop(held);
        assert!(in_flight.shards.iter().all(|shard| shard.lock().is_empty()));
    }
}
