//! The limits' clock. It never goes back: a server whose clock is set would lock its clients out for as long.

use std::sync::atomic::{AtomicI64, Ordering};

use domain::Now;
use governor::clock::Clock;
use governor::nanos::Nanos;

/// A clock that follows another one forwards only.
pub(super) struct Steady {
    now: Now,
    /// What is added to the other clock for the times that it went back, in milliseconds.
    added: AtomicI64,
    /// The latest time that was told.
    latest: AtomicI64,
}

impl Steady {
    pub(super) fn new(now: &Now) -> Self {
        Self { latest: AtomicI64::new(now()), added: AtomicI64::new(0), now: now.clone() }
    }
}

impl Clock for Steady {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        let added = self.added.load(Ordering::Relaxed);
        let time = (self.now)() + added;
        let latest = self.latest.load(Ordering::Relaxed);
        if time > latest {
            self.latest.fetch_max(time, Ordering::Relaxed);
        } else if time < latest {
            // Whoever is late with the same step back finds it done.
            let _ = self.added.compare_exchange(
                added,
                added + latest - time,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
        }
        Nanos::from(time.max(latest).unsigned_abs() * 1_000_000)
    }
}
