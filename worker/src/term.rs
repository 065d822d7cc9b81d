//! What a leader knows from one round to the next. All of it can be lost: the stores hold the truth.

use domain::{EventId, EventState, Fence, Millis};
use queue::{Armed, Figures};

use crate::queue_status::QueueHistory;

/// One leader's time with an event.
pub(crate) struct Term {
    pub(crate) event: EventId,
    pub(crate) fence: Fence,
    pub(crate) round: i64,
    pub(crate) told: LastProjected,
    pub(crate) growth: Growth,
    pub(crate) history: QueueHistory,
    pub(crate) extended_at: Millis,
    /// Whether the queue has everybody back whom the ledger knows.
    pub(crate) whole: bool,
    /// Until then, everybody up to this number.
    pub(crate) filled: u32,
    /// What arming told, until it is settled whether the release has to be held back for it.
    pub(crate) unjudged: Option<Armed>,
    /// Whether the health check tells that the event is frozen.
    pub(crate) frozen: bool,
}

impl Term {
    /// A term in which nothing was told yet.
    pub(crate) fn new(event: EventId, fence: Fence) -> Self {
        Self {
            event,
            fence,
            round: 0,
            told: LastProjected::default(),
            growth: Growth::default(),
            history: QueueHistory::default(),
            extended_at: 0,
            whole: false,
            filled: 0,
            unjudged: None,
            frozen: false,
        }
    }
}

/// What this leader told the queue.
#[derive(Debug, Default)]
pub(crate) struct LastProjected {
    pub(crate) figures: Figures,
    /// There were more outcomes or domain events than go out at once.
    pub(crate) more: bool,
    /// The limit that the next projection carries, if the ledger's own is not above it yet.
    pub(crate) limit: u32,
    pub(crate) rev: i64,
    pub(crate) state: Option<EventState>,
}

/// How fast numbers are being given.
#[derive(Debug, Default)]
pub(crate) struct Growth {
    since: Millis,
    seq_then: u32,
    per_second: u32,
}

impl Growth {
    /// Numbers given per second, over the last second or more.
    pub(crate) fn at(&mut self, seq: u32, now: Millis) -> u32 {
        let elapsed = now - self.since;
        if elapsed >= 1000 {
            let per_second = i64::from(seq.saturating_sub(self.seq_then)) * 1000 / elapsed;
            *self =
                Self { since: now, seq_then: seq, per_second: u32::try_from(per_second).unwrap_or(u32::MAX) };
        }
        // Within the second, what already came counts in full: a spike must not wait for its second to be over.
        self.per_second.max(seq.saturating_sub(self.seq_then))
    }
}
