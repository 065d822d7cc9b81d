//! The memory of a leader about the outbox.

use domain::Millis;

use crate::numbered::Numbered;

/// The outbox in a leader's term.
#[derive(Debug, Default)]
pub(crate) struct OutboxTerm {
    /// Wakes the tasks that send; none before the first round.
    pub(crate) numbered: Option<Numbered>,
    /// When domain events were last numbered.
    pub(crate) numbered_at: Millis,
    /// Whether some were left over.
    pub(crate) has_more: bool,
    /// When the gauges were last set.
    pub(crate) measured_at: Millis,
}
