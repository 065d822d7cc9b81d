//! A clock that stands still until the test moves it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// A clock set by the test, in milliseconds. Clones show the same time.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that shows this time.
    pub fn at(ms: i64) -> Self {
        Self(Arc::new(AtomicI64::new(ms)))
    }

    /// The function that the product takes as its clock.
    pub fn now(&self) -> Arc<dyn Fn() -> i64 + Send + Sync> {
        let time = Arc::clone(&self.0);
        Arc::new(move || time.load(Ordering::SeqCst))
    }

    /// Moves the clock; backwards if negative.
    pub fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }

    /// Sets the clock.
    pub fn set(&self, ms: i64) {
        self.0.store(ms, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_function_follows_the_clock() {
        let clock = ManualClock::at(1000);
        let now = clock.now();
        assert_eq!(now(), 1000);
        clock.clone().advance(500);
        assert_eq!(now(), 1500);
        clock.set(7);
        assert_eq!(now(), 7);
    }
}
