//! The clock of the limits. It never goes back: otherwise setting the server's clock back would lock clients out for as long.

use std::sync::atomic::{AtomicI64, Ordering};

use domain::Now;
use governor::clock::Clock;
use governor::nanos::Nanos;

/// The time that the clock shows at first, in milliseconds. Not zero, so that a bucket that has been full since then has a time too.
const START_MS: i64 = 1000;

/// A clock that follows another one forwards only.
pub(super) struct MonotonicClock {
    now: Now,
    /// What is added to the other clock: the start, and the sum of all its steps back, in milliseconds.
    offset_ms: AtomicI64,
    /// The latest time returned, in milliseconds.
    latest_ms: AtomicI64,
}

impl MonotonicClock {
    pub(super) fn new(now: &Now) -> Self {
        let offset_ms = AtomicI64::new(START_MS - now());
        Self { latest_ms: AtomicI64::new(START_MS), offset_ms, now: now.clone() }
    }

    /// The time in microseconds.
    pub(super) fn micros(&self) -> u64 {
        self.millis() * 1000
    }

    fn millis(&self) -> u64 {
        let offset = self.offset_ms.load(Ordering::Relaxed);
        let time = (self.now)() + offset;
        let latest = self.latest_ms.load(Ordering::Relaxed);
        if time > latest {
            self.latest_ms.fetch_max(time, Ordering::Relaxed);
        } else if time < latest {
            // Of several threads that see the same step back, the first one adds it.
            let _ = self.offset_ms.compare_exchange(
                offset,
                offset + latest - time,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
        }
        time.max(latest).unsigned_abs()
    }
}

impl Clock for MonotonicClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(self.millis() * 1_000_000)
    }
}
