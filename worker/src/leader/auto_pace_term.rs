//! What the leader remembers of the automatic pace between rounds.

use domain::{Millis, PaceController};

/// The memory of the automatic pace.
#[derive(Debug, Default)]
pub(crate) struct AutoPaceTerm {
    pub(crate) controller: PaceController,
    /// The ledger's time of the last judgement.
    pub(crate) judged_at: Millis,
}
