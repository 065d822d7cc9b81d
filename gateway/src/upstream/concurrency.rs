//! The limit of concurrent requests of one service. No request waits for a permit, so that counting is enough.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use metrics::Gauge;

/// The limit of one service.
pub(super) struct ConcurrencyLimit {
    held: AtomicUsize,
    max: usize,
    in_flight: Gauge,
}

/// One request's permit, released when dropped.
pub(super) struct ConcurrencyPermit(Arc<ConcurrencyLimit>);

impl ConcurrencyLimit {
    pub(super) fn new(max: usize, in_flight: Gauge) -> Self {
        Self { held: AtomicUsize::new(0), max, in_flight }
    }

    /// A permit; `None` if all are held.
    pub(super) fn acquire(self: &Arc<Self>) -> Option<ConcurrencyPermit> {
        let one_more = |held| (held < self.max).then_some(held + 1);
        self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        self.in_flight.increment(1.0);
        Some(ConcurrencyPermit(Arc::clone(self)))
    }
}

impl Drop for ConcurrencyPermit {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::Relaxed);
        self.0.in_flight.decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_permit_can_be_acquired_again() {
        let limit = Arc::new(ConcurrencyLimit::new(2, Gauge::noop()));
        let (one, two) = (limit.acquire(), limit.acquire());
        assert!(one.is_some() && two.is_some() && limit.acquire().is_none());
        drop(one);
        let again = limit.acquire();
        assert!(again.is_some() && limit.acquire().is_none());
    }
}
