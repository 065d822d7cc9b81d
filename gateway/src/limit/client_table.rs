//! The buckets of all clients, in a table whose size never changes. Each bucket is the time at which it will be full again (the
//! "theoretical arrival time" of GCRA). Where a new client finds no room it replaces the one whose bucket is the fullest: nearly always an
//! idle one, which loses nothing by it. A flood of addresses replaces the addresses of the flood, and no client that is over its rate.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metrics::Counter;

/// Buckets among which a client's may be; they share a cache line.
const WAYS: usize = 8;
/// Of each bucket, the lower bits are the time in microseconds: eight years. The others tell clients of one set apart: of a full table, one
/// new client in 8,192 meets the bucket of another one, and they share a rate.
const TIME_BITS: u32 = 48;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;

/// The rate of a bucket, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BucketRate {
    /// The time in which the bucket gains one request.
    pub(super) period: u64,
    /// How far the time at which it is full may lie ahead for one more request.
    pub(super) tolerance: u64,
}

/// Buckets that share a cache line. Empty ones are zero, and so older than any other.
#[derive(Default)]
#[repr(align(64))]
struct BucketSet([AtomicU64; WAYS]);

/// The buckets of all clients.
pub(super) struct ClientTable {
    sets: Box<[BucketSet]>,
    /// Counts buckets that were replaced before they were full.
    replaced: Counter,
}

impl ClientTable {
    /// A table of at least `keys` buckets: 8 bytes each, in a power of two.
    pub(super) fn new(keys: usize, replaced: Counter) -> Self {
        let sets = keys.div_ceil(WAYS).next_power_of_two();
        Self { sets: (0..sets).map(|_| BucketSet::default()).collect(), replaced }
    }

    /// Takes one request out of a client's bucket at `now`, in microseconds. If there is none, returns the time until there is.
    pub(super) fn take(&self, key: u64, rate: BucketRate, now: u64) -> Result<(), Duration> {
        let set = self.set(key);
        // Repeated only if another thread has changed the same bucket meanwhile.
        loop {
            let (bucket, before, is_own) = set.find(key);
            let full_at = if is_own { (before & TIME_MASK).max(now) } else { now };
            if full_at > now + rate.tolerance {
                // Further ahead it can only be by an earlier, lower rate, whose debt ends with it.
                let latest = now + rate.tolerance + rate.period;
                if full_at > latest && bucket.replace(before, key, latest) {
                    return Err(Duration::from_micros(rate.period));
                }
                return Err(Duration::from_micros(full_at - now - rate.tolerance));
            }
            if bucket.replace(before, key, full_at + rate.period) {
                if !is_own && before & TIME_MASK > now {
                    self.replaced.increment(1);
                }
                return Ok(());
            }
        }
    }

    /// Returns one request to a client's bucket.
    pub(super) fn refund(&self, key: u64, rate: BucketRate) {
        let set = self.set(key);
        loop {
            let (bucket, before, is_own) = set.find(key);
            let full_at = (before & TIME_MASK).saturating_sub(rate.period).max(1);
            if !is_own || bucket.replace(before, key, full_at) {
                return;
            }
        }
    }

    fn set(&self, key: u64) -> &BucketSet {
        let at = usize::try_from(key & TIME_MASK).unwrap_or(usize::MAX) & (self.sets.len() - 1);
        &self.sets[at]
    }

    /// The size of the table.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        std::mem::size_of_val(&*self.sets)
    }
}

impl BucketSet {
    /// The bucket of a key with its content; or else that which is the first to be full, and false.
    fn find(&self, key: u64) -> (ClientBucket<'_>, u64, bool) {
        let mut fullest = (ClientBucket(&self.0[0]), u64::MAX, false);
        for bucket in &self.0 {
            let content = bucket.load(Ordering::Relaxed);
            if content >> TIME_BITS == key >> TIME_BITS && content != 0 {
                return (ClientBucket(bucket), content, true);
            }
            if content & TIME_MASK < fullest.1 & TIME_MASK || fullest.1 == u64::MAX {
                fullest = (ClientBucket(bucket), content, false);
            }
        }
        fullest
    }
}

/// One bucket.
struct ClientBucket<'a>(&'a AtomicU64);

impl ClientBucket<'_> {
    /// Writes a new content, unless the bucket has changed.
    fn replace(&self, before: u64, key: u64, full_at: u64) -> bool {
        let content = (key & !TIME_MASK) | (full_at & TIME_MASK);
        self.0.compare_exchange(before, content, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MEBIBYTE: usize = 1 << 20;
    const SECOND: u64 = 1_000_000;

    /// 50 requests a second, and 200 at once.
    const RATE: BucketRate = BucketRate { period: SECOND / 50, tolerance: 199 * SECOND / 50 };

    fn table(keys: usize) -> ClientTable {
        ClientTable::new(keys, Counter::noop())
    }

    /// The key of the nth client, spread like a hash (splitmix64).
    fn key(n: u64) -> u64 {
        let n = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        n ^ (n >> 31)
    }

    fn granted(table: &ClientTable, key: u64, of: usize, now: u64) -> usize {
        (0..of).filter(|_| table.take(key, RATE, now).is_ok()).count()
    }

    #[test]
    fn a_million_clients_take_eight_mebibytes() {
        assert_eq!(table(1 << 20).bytes(), 8 * MEBIBYTE);
        assert_eq!(table(1).bytes(), 64);
        assert_eq!(table(100_000).bytes(), MEBIBYTE);
    }

    #[test]
    fn a_refusal_says_when_the_next_request_is_due() {
        let (table, now) = (table(1000), 5 * SECOND);
        assert_eq!(granted(&table, 7, 1000, now), 200);
        let wait = table.take(7, RATE, now).unwrap_err();
        assert_eq!(wait, Duration::from_millis(20));
        assert!(table.take(7, RATE, now + 19_999).is_err());
        assert!(table.take(7, RATE, now + 20_000).is_ok());
    }

    #[test]
    fn ten_million_addresses_take_no_memory_and_change_nothing_for_others() {
        const FLOOD: u64 = 10_000_000;
        /// Addresses of the flood in a second.
        const PER_SECOND: u64 = 1_000_000;
        let table = table(1 << 20);
        let (honest, greedy) = (key(u64::MAX), key(u64::MAX - 1));
        let (mut refused, mut greedy_granted) = (0, 0);
        for n in 0..FLOOD {
            let now = SECOND + n * SECOND / PER_SECOND;
            assert!(table.take(key(n), RATE, now).is_ok(), "a new address has a full bucket");
            if n % (PER_SECOND / 5) == 0 {
                refused += usize::from(table.take(honest, RATE, now).is_err());
            }
            if n % (PER_SECOND / 1000) == 0 {
                greedy_granted += usize::from(table.take(greedy, RATE, now).is_ok());
            }
        }
        assert_eq!(table.bytes(), 8 * MEBIBYTE);
        assert_eq!(refused, 0, "a client with five requests a second keeps its bucket or gets a full one");
        // 200 at once and 50/s for ten seconds, of 10,000 requests.
        assert!((690..=710).contains(&greedy_granted), "{greedy_granted}");
    }

    #[test]
    fn a_client_that_is_over_its_rate_is_not_replaced_by_a_crowd_in_its_set() {
        let (table, now) = (table(1), SECOND);
        assert_eq!(granted(&table, key(0), 1000, now), 200);
        for n in 1..10_000 {
            assert!(table.take(key(n), RATE, now + n).is_ok());
        }
        assert_eq!(granted(&table, key(0), 1000, now + 10_000), 0);
    }

    #[test]
    fn threads_that_share_a_bucket_get_its_rate_together() {
        let table = table(1000);
        let granted: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| granted(&table, 9, 500, SECOND))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(granted, 200);
    }

    proptest! {
        #[test]
        fn no_schedule_gets_more_than_the_burst_and_the_rate(
            burst in 1_u64..20,
            steps in prop::collection::vec((0_u64..300_000, any::<bool>()), 1..200),
        ) {
            let rate = BucketRate { period: 50_000, tolerance: (burst - 1) * 50_000 };
            let (table, begun) = (table(100), SECOND);
            let (mut now, mut granted) = (begun, 0);
            for (pause, is_refunded) in steps {
                now += pause / 10;
                match table.take(1, rate, now) {
                    Ok(()) if is_refunded => table.refund(1, rate),
                    Ok(()) => granted += 1,
                    Err(wait) => {
                        let due = now + u64::try_from(wait.as_micros()).unwrap();
                        prop_assert!(table.take(1, rate, due - 1).is_err());
                        prop_assert!(table.take(1, rate, due).is_ok(), "it is due");
                        table.refund(1, rate);
                    }
                }
                prop_assert!(granted <= burst + (now - begun) / rate.period);
            }
        }
    }
}
