//! How many requests a service gets at once. Nobody waits for a place, so that counting is enough.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use metrics::Gauge;

/// The places of one service.
pub(super) struct ConcurrencyLimit {
    taken: AtomicUsize,
    most: usize,
    in_flight: Gauge,
}

/// One request's place; free again when dropped.
pub(super) struct ConcurrencyPermit(Arc<ConcurrencyLimit>);

impl ConcurrencyLimit {
    pub(super) fn new(most: usize, in_flight: Gauge) -> Self {
        Self { taken: AtomicUsize::new(0), most, in_flight }
    }

    /// A place; `None` if all are taken.
    pub(super) fn take(self: &Arc<Self>) -> Option<ConcurrencyPermit> {
        let one_more = |taken| (taken < self.most).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        self.in_flight.increment(1.0);
        Some(ConcurrencyPermit(Arc::clone(self)))
    }
}

impl Drop for ConcurrencyPermit {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
        self.0.in_flight.decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_places_as_said_and_one_that_is_left_is_free() {
        let concurrency = Arc::new(ConcurrencyLimit::new(2, Gauge::noop()));
        let (one, two) = (concurrency.take(), concurrency.take());
        assert!(one.is_some() && two.is_some() && concurrency.take().is_none());
        drop(one);
        let again = concurrency.take();
        assert!(again.is_some() && concurrency.take().is_none());
    }
}
