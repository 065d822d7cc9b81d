//! The clients that a limit remembers: a bounded number, whoever comes. Strangers above it share buckets by hash, so that a flood
//! of addresses neither takes memory nor touches the buckets of those who were here before.

use std::sync::{Mutex, MutexGuard, PoisonError};

use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;

use crate::client::{ByClient, ClientKey};

/// Locks; each holds its share of the clients.
const SHARDS: usize = 64;
/// Buckets that strangers share when there is no place of their own.
const SHARED: usize = 4096;
/// How long an idle client keeps its place while there is room, and one that came more than once in any case: whoever pauses
/// during a flood is no stranger afterwards.
const KEPT: Nanos = Nanos::new(60_000_000_000);

type Shard = ByClient<KnownClient>;

/// A client with a place of its own.
#[derive(Debug, Clone, Copy)]
struct KnownClient {
    /// When its next request is due.
    due: Nanos,
    /// Whether it came more than once. A flood of addresses does not.
    again: bool,
}

/// The clients, each with its own bucket as far as there is room.
#[derive(Debug)]
pub(super) struct Keys {
    shards: Vec<Mutex<Shard>>,
    shard_max: usize,
    shared: Vec<Mutex<Option<Nanos>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Keys {
    pub(super) fn new(most: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            shard_max: (most / SHARDS).max(1),
            shared: (0..SHARED).map(|_| Mutex::default()).collect(),
        }
    }
}

impl StateStore for Keys {
    type Key = ClientKey;

    fn measure_and_replace<T, F, E>(&self, key: &ClientKey, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut shard = lock(&self.shards[key.place(SHARDS)]);
        if let Some(known) = shard.get_mut(key) {
            known.again = true;
            let (told, next) = measure(Some(known.due))?;
            known.due = next;
            return Ok(told);
        }
        if shard.len() < self.shard_max {
            let (told, next) = measure(None)?;
            shard.insert(*key, KnownClient { due: next, again: false });
            return Ok(told);
        }
        drop(shard);
        let mut due = lock(&self.shared[key.place(SHARED)]);
        let (told, next) = measure(*due)?;
        *due = Some(next);
        Ok(told)
    }
}

impl ShrinkableKeyedStateStore<ClientKey> for Keys {
    fn retain_recent(&self, idle_since: Nanos) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            let crowded = shard.len() * 4 > self.shard_max * 3;
            let long_ago = idle_since.saturating_sub(KEPT);
            shard.retain(|_, known| known.due > if crowded && !known.again { idle_since } else { long_ago });
            if shard.capacity() > 64 && shard.len() * 4 < shard.capacity() {
                shard.shrink_to_fit();
            }
        }
    }

    fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
