//! What an application goes through, in the queue and in the ledger, and the only steps between. Drawn in docs/states.md.

use serde::{Deserialize, Serialize};

use crate::outcome::Outcome;

/// Why an order is taken back at the order service before the application ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// The applicant cancelled.
    Cancel,
    /// The order service said no after an attempt whose answer never came: that one may have made an order.
    Reject,
}

impl Undo {
    /// What the application ends as, once the order service confirmed the tombstone.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Cancel => Outcome::Cancelled,
            Self::Reject => Outcome::Rejected,
        }
    }
}

/// Where an application stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ApplicationState {
    /// In the queue, without a seat.
    Waiting,
    /// In the queue, taken back before it was admitted; only the ledger says `cancelled`.
    Withdrawn,
    /// In the ledger with a seat; the order service has not answered yet. `attempts` counts the calls made.
    Ordering {
        /// Order calls made so far.
        attempts: u32,
    },
    /// In the ledger with a seat, while the order is taken back.
    Undoing {
        /// Why.
        undo: Undo,
        /// Order calls made so far, of either kind.
        attempts: u32,
    },
    /// Called too often without an answer: keeps its seat until an operator ends it.
    Parked {
        /// Why the order was being taken back, if it was.
        undo: Option<Undo>,
    },
    /// Ended.
    Ended(Outcome),
}

/// What happens to an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Admission gives it a seat.
    Admit,
    /// The applicant asks to cancel.
    RequestCancel,
    /// The inbox finds the request of somebody who was withdrawn before being admitted.
    RecordCancel,
    /// A maker starts an order call.
    Call,
    /// The order service made the order.
    OrderAccepted,
    /// The order service said no.
    OrderRejected,
    /// The order service confirmed the tombstone.
    OrderDeleted,
    /// Too many calls without an answer.
    Park,
    /// An operator has a parked one called again.
    Retry,
    /// An operator ends a parked one.
    Reject,
    /// The event is settled.
    Settle,
}

impl ApplicationState {
    /// The state after the step; `None` if that step cannot be taken from here.
    pub fn after(self, step: Step) -> Option<Self> {
        use ApplicationState::{Ended, Ordering, Parked, Undoing, Waiting, Withdrawn};
        Some(match (self, step) {
            (Waiting, Step::Admit) => Ordering { attempts: 0 },
            (Waiting, Step::RequestCancel) => Withdrawn,
            (Waiting, Step::Settle) => Ended(Outcome::SoldOut),
            (Ordering { attempts }, Step::Call) => Ordering { attempts: attempts + 1 },
            (Ordering { .. }, Step::OrderAccepted) => Ended(Outcome::Ordered),
            (Withdrawn, Step::RecordCancel) | (Ordering { attempts: 0 }, Step::RequestCancel) => {
                Ended(Outcome::Cancelled)
            }
            (Ordering { attempts: 1 }, Step::OrderRejected) => Ended(Outcome::Rejected),
            (Ordering { .. }, Step::OrderRejected) | (Parked { undo: None }, Step::Reject) => {
                Undoing { undo: Undo::Reject, attempts: 0 }
            }
            (Ordering { .. } | Parked { .. } | Ended(Outcome::Ordered), Step::RequestCancel) => {
                Undoing { undo: Undo::Cancel, attempts: 0 }
            }
            (Undoing { undo, attempts }, Step::Call) => Undoing { undo, attempts: attempts + 1 },
            (Undoing { undo: Undo::Reject, attempts }, Step::RequestCancel) => {
                Undoing { undo: Undo::Cancel, attempts }
            }
            (Undoing { undo, .. }, Step::OrderDeleted) => Ended(undo.outcome()),
            (Ordering { .. }, Step::Park) => Parked { undo: None },
            (Undoing { undo, .. }, Step::Park) => Parked { undo: Some(undo) },
            // The calls from before may have made an order: the next answer is not that of the only call.
            (Parked { undo: None }, Step::Retry) => Ordering { attempts: 1 },
            // What was being taken back goes on being taken back, for the reason it had.
            (Parked { undo: Some(undo) }, Step::Retry | Step::Reject) => Undoing { undo, attempts: 0 },
            _ => return None,
        })
    }

    /// Whether it holds a seat.
    pub fn has_seat(self) -> bool {
        matches!(
            self,
            Self::Ordering { .. }
                | Self::Undoing { .. }
                | Self::Parked { .. }
                | Self::Ended(Outcome::Ordered)
        )
    }

    /// The word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Withdrawn => "withdrawn",
            Self::Ordering { .. } => "ordering",
            Self::Undoing { .. } => "undoing",
            Self::Parked { .. } => "parked",
            Self::Ended(outcome) => outcome.as_str(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ApplicationState::{Ended, Ordering, Parked, Undoing, Waiting, Withdrawn};

    #[test]
    fn an_end_is_final_but_for_cancelling_an_order() {
        let steps = [
            Step::Admit,
            Step::RequestCancel,
            Step::RecordCancel,
            Step::Call,
            Step::OrderAccepted,
            Step::OrderRejected,
            Step::OrderDeleted,
            Step::Park,
            Step::Retry,
            Step::Reject,
            Step::Settle,
        ];
        for outcome in Outcome::ALL {
            let ways_out: Vec<_> =
                steps.iter().filter(|step| Ended(outcome).after(**step).is_some()).collect();
            assert_eq!(ways_out.is_empty(), outcome != Outcome::Ordered, "{outcome:?}: {ways_out:?}");
        }
    }

    #[test]
    fn a_no_after_an_unanswered_call_takes_the_order_back_first() {
        assert_eq!(Ordering { attempts: 1 }.after(Step::OrderRejected), Some(Ended(Outcome::Rejected)));
        let undoing = Ordering { attempts: 2 }.after(Step::OrderRejected).unwrap();
        assert_eq!(undoing, Undoing { undo: Undo::Reject, attempts: 0 });
        assert_eq!(undoing.after(Step::OrderDeleted), Some(Ended(Outcome::Rejected)));
    }

    #[test]
    fn a_parked_one_is_called_again_as_one_that_may_have_an_order() {
        let again = Parked { undo: None }.after(Step::Retry).unwrap();
        let called = again.after(Step::Call).unwrap();
        assert_eq!(called.after(Step::OrderRejected), Some(Undoing { undo: Undo::Reject, attempts: 0 }));
        let cancelling = Parked { undo: Some(Undo::Cancel) };
        for step in [Step::Retry, Step::Reject] {
            assert_eq!(cancelling.after(step), Some(Undoing { undo: Undo::Cancel, attempts: 0 }));
        }
    }

    #[test]
    fn who_is_withdrawn_is_never_admitted() {
        assert_eq!(Waiting.after(Step::RequestCancel), Some(Withdrawn));
        assert_eq!(Withdrawn.after(Step::Admit), None);
    }
}
