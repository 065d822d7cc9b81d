//! The clock of the limits. It never goes back: otherwise setting the server's clock back would lock clients out for as long.

use std::sync::atomic::{AtomicI64, Ordering};

use domain::Now;
use governor::clock::Clock;
use governor::nanos::Nanos;

/// A clock that follows another one forwards only.
pub(super) struct MonotonicClock {
    now: Now,
    /// The sum of all steps back of the other clock, in milliseconds.
    offset_ms: AtomicI64,
    /// The latest time returned, in milliseconds.
    latest_ms: AtomicI64,
}

impl MonotonicClock {
    pub(super) fn new(now: &Now) -> Self {
        Self { latest_ms: AtomicI64::new(now()), offset_ms: AtomicI64::new(0), now: now.clone() }
    }
}

impl Clock for MonotonicClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
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
        Nanos::from(time.max(latest).unsigned_abs() * 1_000_000)
    }
}
