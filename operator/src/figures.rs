//! Figures that are counted from the rows of the ledger, cached for a second.

use std::collections::HashMap;

use domain::{EventId, Millis};
use ledger::Seats;
use parking_lot::Mutex;

/// Counting seats reads all rows of an event, so a figure is used again for this long.
const FRESH_MS: Millis = 1000;

/// Counted figures of one event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EventFigures {
    pub(crate) seats: Seats,
    pub(crate) called: u32,
    pub(crate) ordering: u32,
    pub(crate) parked: u32,
}

/// The figures of each event with the moment and the rev at which they were counted.
#[derive(Debug, Default)]
pub(crate) struct FigureCache(Mutex<HashMap<EventId, CachedFigures>>);

#[derive(Debug, Clone, Copy)]
struct CachedFigures {
    counted_at: Millis,
    rev: i64,
    figures: EventFigures,
}

impl FigureCache {
    /// Figures that are younger than a second and of this rev.
    pub(crate) fn fresh(&self, event: &EventId, rev: i64, now: Millis) -> Option<EventFigures> {
        let cached = self.0.lock().get(event).copied()?;
        let is_fresh = cached.rev == rev && (0..FRESH_MS).contains(&(now - cached.counted_at));
        is_fresh.then_some(cached.figures)
    }

    /// Stores figures counted now at this rev.
    pub(crate) fn store(&self, event: &EventId, rev: i64, now: Millis, figures: EventFigures) {
        self.0.lock().insert(event.clone(), CachedFigures { counted_at: now, rev, figures });
    }

    /// Drops the figures of an event after a change that raises no rev.
    pub(crate) fn invalidate(&self, event: &EventId) {
        self.0.lock().remove(event);
    }
}
