//! How many requests of each client are under way. It remembers nobody who has none.

use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::client::{ByClient, ClientKey};

const SHARDS: usize = 64;

/// Requests under way, by client.
#[derive(Debug)]
pub(crate) struct InFlight {
    shards: Vec<Mutex<ByClient<usize>>>,
    most: usize,
}

/// One request under way; counted down when dropped.
#[derive(Debug)]
pub(crate) struct InFlightGuard {
    all: Arc<InFlight>,
    client: ClientKey,
}

impl InFlight {
    pub(crate) fn new(most: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, most }
    }

    /// Counts a request; `None` if the client has as many as it may.
    pub(crate) fn begin(self: &Arc<Self>, client: ClientKey) -> Option<InFlightGuard> {
        let mut shard = self.shard(client);
        let count = shard.entry(client).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(InFlightGuard { all: Arc::clone(self), client })
    }

    fn shard(&self, client: ClientKey) -> MutexGuard<'_, ByClient<usize>> {
        self.shards[client.place(SHARDS)].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        if let Entry::Occupied(mut entry) = self.all.shard(self.client).entry(self.client) {
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
    fn a_client_has_as_many_under_way_as_it_may_and_is_forgotten_after() {
        let all = Arc::new(InFlight::new(2));
        let client = |n: u8| ClientKey::of([10, 0, 0, n].into());
        let held: Vec<_> = (0..3).map(|_| all.begin(client(1))).collect();
        assert_eq!(held.iter().flatten().count(), 2);
        assert!(all.begin(client(2)).is_some());
        drop(held);
        assert!(all.begin(client(1)).is_some());
        assert!(all.shards.iter().all(|shard| shard.lock().unwrap().is_empty()));
    }
}
