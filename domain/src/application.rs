//! The states of an application in the queue and in the ledger, and the steps between them. docs/states.md shows the diagram.

use serde::{Deserialize, Serialize};

use crate::outcome::Outcome;

/// Why the order of an application is deleted at the order service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// The applicant cancelled.
    Cancel,
    /// The order service rejected the order after an unclear call, or an operator rejected the parked application. An order may exist.
    Reject,
}

impl Undo {
    /// The outcome once the order service has confirmed the deletion.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Cancel => Outcome::Cancelled,
            Self::Reject => Outcome::Rejected,
        }
    }
}

/// The state of an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ApplicationState {
    /// In the queue, without a seat.
    Waiting,
    /// In the queue, withdrawn by the applicant before it was admitted. The ledger will record `cancelled`.
    Withdrawn,
    /// In the ledger with a seat, while the order is made.
    Ordering {
        /// Order calls made since this state was entered.
        attempts: u32,
    },
    /// In the ledger with a seat, while the order is deleted.
    Undoing {
        /// Why the order is deleted.
        undo: Undo,
        /// Order calls made since this state was entered.
        attempts: u32,
    },
    /// In the ledger with a seat, after too many calls without a clear response. An operator has to act.
    Parked {
        /// Why the order was being deleted, if it was.
        undo: Option<Undo>,
    },
    /// Ended.
    Ended(Outcome),
}

/// A step between two states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Admission assigns a seat.
    Admit,
    /// The applicant requests to cancel.
    RequestCancel,
    /// The inbox records the cancellation of a withdrawn application.
    RecordCancel,
    /// The order dispatcher starts a call.
    Call,
    /// The order service made the order.
    OrderAccepted,
    /// The order service rejected the order.
    OrderRejected,
    /// The order service confirmed the deletion, and makes no order for this key from now on.
    OrderDeleted,
    /// Too many calls got no clear response.
    Park,
    /// An operator requests another call for a parked application.
    Retry,
    /// An operator ends a parked application.
    Reject,
    /// The event is settled.
    Settle,
}

impl ApplicationState {
    /// The state after the step; `None` if the step is not possible in this state.
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
            // An earlier call may have made an order, so a rejection of the next call does not prove that there is none.
            (Parked { undo: None }, Step::Retry) => Ordering { attempts: 1 },
            // An order that was being deleted is still to be deleted, for the same reason.
            (Parked { undo: Some(undo) }, Step::Retry | Step::Reject) => Undoing { undo, attempts: 0 },
            _ => return None,
        })
    }

    /// Whether the application holds a seat.
    pub fn has_seat(self) -> bool {
        matches!(
            self,
            Self::Ordering { .. }
                | Self::Undoing { .. }
                | Self::Parked { .. }
                | Self::Ended(Outcome::Ordered)
        )
    }

    /// The name that is stored and shown.
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
    fn an_outcome_is_final_except_that_an_order_can_be_cancelled() {
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
            let possible: Vec<_> =
                steps.iter().filter(|step| Ended(outcome).after(**step).is_some()).collect();
            assert_eq!(possible.is_empty(), outcome != Outcome::Ordered, "{outcome:?}: {possible:?}");
        }
    }

    #[test]
    fn a_rejection_after_an_unclear_call_deletes_first() {
        assert_eq!(Ordering { attempts: 1 }.after(Step::OrderRejected), Some(Ended(Outcome::Rejected)));
        let undoing = Ordering { attempts: 2 }.after(Step::OrderRejected).unwrap();
        assert_eq!(undoing, Undoing { undo: Undo::Reject, attempts: 0 });
        assert_eq!(undoing.after(Step::OrderDeleted), Some(Ended(Outcome::Rejected)));
    }

    #[test]
    fn a_parked_application_is_retried_as_if_it_had_an_order() {
        let again = Parked { undo: None }.after(Step::Retry).unwrap();
        let called = again.after(Step::Call).unwrap();
        assert_eq!(called.after(Step::OrderRejected), Some(Undoing { undo: Undo::Reject, attempts: 0 }));
        let cancelling = Parked { undo: Some(Undo::Cancel) };
        for step in [Step::Retry, Step::Reject] {
            assert_eq!(cancelling.after(step), Some(Undoing { undo: Undo::Cancel, attempts: 0 }));
        }
    }

    #[test]
    fn a_withdrawn_application_is_never_admitted() {
        assert_eq!(Waiting.after(Step::RequestCancel), Some(Withdrawn));
        assert_eq!(Withdrawn.after(Step::Admit), None);
    }
}
