//! The memory of a leader between rounds. All of it can be lost: the stores hold the truth.

use domain::{Epoch, EventId, EventState, Fence, Millis};
use queue::SeatFigures;

use super::auto_pace_term::AutoPaceTerm;
use super::gap_recount::GapRecount;
use super::journals::KnownJournals;
use super::number_rate::NumberRate;
use super::outbox_term::OutboxTerm;
use super::queue_history::QueueHistory;

/// The time of one leader with an event.
pub(crate) struct LeaderTerm {
    pub(crate) event: EventId,
    pub(crate) fence: Fence,
    pub(crate) round: i64,
    pub(crate) projected: LastProjected,
    pub(crate) number_rate: NumberRate,
    pub(crate) history: QueueHistory,
    pub(crate) auto_pace: AutoPaceTerm,
    pub(crate) extended_at: Millis,
    pub(crate) outbox: OutboxTerm,
    /// Whether the queue has all applications of the ledger again.
    pub(crate) gaps_filled: bool,
    /// Until then, it has those up to this number.
    pub(crate) filled_through: u32,
    /// The journals as last read.
    pub(crate) journals: KnownJournals,
    /// When this leader first found the queue unarmed.
    pub(crate) unarmed_since: Option<Millis>,
    /// When this leader first found the event recovering.
    pub(crate) recovering_since: Option<Millis>,
    /// Whether an admission may have stopped before its order calls were due, in this term or before.
    pub(crate) has_not_due: bool,
    /// When the ledger was last asked for such order calls. It may have lost that they are due, without any other sign.
    pub(crate) asked_not_due_at: Millis,
    /// While the ledger is behind, it has everything that the queue has up to this number.
    pub(crate) reconciled_through: Option<u32>,
    /// The search for numbers in gaps that are in use, while it runs.
    pub(crate) recount: Option<GapRecount>,
    /// What the health check reports of this event.
    pub(crate) reported: Option<String>,
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
            auto_pace: AutoPaceTerm::default(),
            extended_at: 0,
            outbox: OutboxTerm::default(),
            gaps_filled: false,
            filled_through: 0,
            journals: KnownJournals::default(),
            unarmed_since: None,
            recovering_since: None,
            has_not_due: true,
            asked_not_due_at: 0,
            reconciled_through: None,
            // The leader before may have ended between a restoring and its recount.
            recount: Some(GapRecount::default()),
            reported: None,
        }
    }
}

/// What this leader last projected into the queue.
#[derive(Debug, Default)]
pub(crate) struct LastProjected {
    pub(crate) figures: SeatFigures,
    /// Whether outcomes were left over from the last batch.
    pub(crate) has_more: bool,
    /// The limit that the next projection carries, unless the ledger's own is higher.
    pub(crate) number_limit: u32,
    pub(crate) rev: i64,
    pub(crate) judged_epoch: Epoch,
    pub(crate) state: Option<EventState>,
}
