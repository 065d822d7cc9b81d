//! The buckets of a per-client limit: a bounded number, however many clients come. Further clients share buckets by hash, so that a
//! flood of addresses neither takes memory nor touches the buckets of known clients.

use std::sync::Arc;

use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;
use parking_lot::Mutex;

use crate::client::{ByClient, ClientKey};

/// Locks; each guards its share of the clients.
const SHARDS: usize = 64;
/// Buckets that are shared by clients without one of their own.
const SHARED_BUCKETS: usize = 4096;
/// How long an idle client keeps its bucket while there is room. A client with more than one request keeps it in any case, so that
/// one which pauses during a flood does not lose it.
const KEPT: Nanos = Nanos::new(60_000_000_000);

type Shard = ByClient<ClientBucket>;

/// The bucket of one client.
#[derive(Debug, Clone, Copy)]
struct ClientBucket {
    /// When the client's next request is due.
    due: Nanos,
    /// Whether the client sent more than one request. The addresses of a flood do not.
    is_repeated: bool,
}

/// The buckets of all clients. A clone refers to the same buckets.
#[derive(Debug, Clone)]
pub(super) struct ClientBuckets(Arc<Buckets>);

#[derive(Debug)]
struct Buckets {
    shards: Vec<Mutex<Shard>>,
    shard_max: usize,
    shared: Vec<Mutex<Option<Nanos>>>,
}

impl ClientBuckets {
    /// At most `max` clients with a bucket of their own.
    pub(super) fn new(max: usize) -> Self {
        Self(Arc::new(Buckets {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            shard_max: (max / SHARDS).max(1),
            shared: (0..SHARED_BUCKETS).map(|_| Mutex::default()).collect(),
        }))
    }

    /// Returns one request to a client's bucket; `period` is the time in which the bucket gains one.
    pub(super) fn refund(&self, key: ClientKey, period: Nanos) {
        if let Some(bucket) = self.0.shards[key.shard(SHARDS)].lock().get_mut(&key) {
            bucket.due = bucket.due.saturating_sub(period);
        } else if let Some(due) = self.0.shared[key.shard(SHARED_BUCKETS)].lock().as_mut() {
            *due = due.saturating_sub(period);
        }
    }
}

impl StateStore for ClientBuckets {
    type Key = ClientKey;

    fn measure_and_replace<T, F, E>(&self, key: &ClientKey, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut shard = self.0.shards[key.shard(SHARDS)].lock();
        if let Some(bucket) = shard.get_mut(key) {
            bucket.is_repeated = true;
            let (outcome, next) = measure(Some(bucket.due))?;
            bucket.due = next;
            return Ok(outcome);
        }
        if shard.len() < self.0.shard_max {
            let (outcome, next) = measure(None)?;
            shard.insert(*key, ClientBucket { due: next, is_repeated: false });
            return Ok(outcome);
        }
        drop(shard);
        let mut due = self.0.shared[key.shard(SHARED_BUCKETS)].lock();
        let (outcome, next) = measure(*due)?;
        *due = Some(next);
        Ok(outcome)
    }
}

impl ShrinkableKeyedStateStore<ClientKey> for ClientBuckets {
    fn retain_recent(&self, idle_since: Nanos) {
        for shard in &self.0.shards {
            let mut shard = shard.lock();
            let is_crowded = shard.len() * 4 > self.0.shard_max * 3;
            let long_idle = idle_since.saturating_sub(KEPT);
            shard.retain(|_, bucket| {
                bucket.due > if is_crowded && !bucket.is_repeated { idle_since } else { long_idle }
            });
            if shard.capacity() > 64 && shard.len() * 4 < shard.capacity() {
                shard.shrink_to_fit();
            }
        }
    }

    fn len(&self) -> usize {
        self.0.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
