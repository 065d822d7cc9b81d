//! The memory of a leader between rounds. All of it can be lost: the stores hold the truth.

use domain::{EventId, EventState, Fence, Millis};
use queue::{ArmResult, SeatFigures};

use super::number_rate::NumberRate;
use super::queue_history::QueueHistory;

/// The time of one leader with an event.
pub(crate) struct LeaderTerm {
    pub(crate) event: EventId,
    pub(crate) fence: Fence,
    pub(crate) round: i64,
    pub(crate) projected: LastProjected,
    pub(crate) number_rate: NumberRate,
    pub(crate) history: QueueHistory,
    pub(crate) extended_at: Millis,
    /// Whether the queue has all applications of the ledger again.
    pub(crate) gaps_filled: bool,
    /// Until then, it has those up to this number.
    pub(crate) filled_through: u32,
    /// The result of arming, until it is decided whether the release has to be held back for it.
    pub(crate) unreviewed_arming: Option<ArmResult>,
    /// Whether the health check reports that the event is frozen.
    pub(crate) reported_frozen: bool,
}

impl LeaderTerm {
    /// A term in which nothing has been projected.
    pub(crate) fn new(event: EventId, fence: Fence) -> Self {
        Self {
            event,
            fence,
            round: 0,
            projected: LastProjected::default(),
            number_rate: NumberRate::default(),
            history: QueueHistory::default(),
            extended_at: 0,
            gaps_filled: false,
            filled_through: 0,
            unreviewed_arming: None,
            reported_frozen: false,
        }
    }
}

/// What this leader last projected into the queue.
#[derive(Debug, Default)]
pub(crate) struct LastProjected {
    pub(crate) figures: SeatFigures,
    /// Whether outcomes or domain events were left over from the last batch.
    pub(crate) has_more: bool,
    /// The limit that the next projection carries, unless the ledger's own is higher.
    pub(crate) number_limit: u32,
    pub(crate) rev: i64,
    pub(crate) state: Option<EventState>,
}
