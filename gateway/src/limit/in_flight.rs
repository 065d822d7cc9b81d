//! The number of requests in flight per client. Clients without one are not stored.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use crate::client::{ByClient, ClientKey};

const SHARDS: usize = 64;

/// Requests in flight by client.
#[derive(Debug)]
pub(crate) struct InFlight {
    shards: Vec<Mutex<ByClient<usize>>>,
    max: usize,
}

/// One request in flight, until it is dropped.
#[derive(Debug)]
pub(crate) struct InFlightGuard {
    counts: Arc<InFlight>,
    client: ClientKey,
}

impl InFlight {
    pub(crate) fn new(max: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, max }
    }

    /// Counts a request; `None` if the client is at its limit.
    pub(crate) fn begin(self: &Arc<Self>, client: ClientKey) -> Option<InFlightGuard> {
        let mut shard = self.shard(client);
        let count = shard.entry(client).or_default();
        if *count >= self.max {
            return None;
        }
        *count += 1;
        Some(InFlightGuard { counts: Arc::clone(self), client })
    }

    fn shard(&self, client: ClientKey) -> MutexGuard<'_, ByClient<usize>> {
        self.shards[client.shard(SHARDS)].lock()
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        if let Entry::Occupied(mut entry) = self.counts.shard(self.client).entry(self.client) {
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
    fn a_client_has_at_most_its_limit_in_flight_and_is_then_removed() {
        let in_flight = Arc::new(InFlight::new(2));
        let client = |n: u8| ClientKey::of([10, 0, 0, n].into());
        let held: Vec<_> = (0..3).map(|_| in_flight.begin(client(1))).collect();
        assert_eq!(held.iter().flatten().count(), 2);
        assert!(in_flight.begin(client(2)).is_some());
        drop(held);
        assert!(in_flight.begin(client(1)).is_some());
        assert!(in_flight.shards.iter().all(|shard| shard.lock().is_empty()));
    }
}
