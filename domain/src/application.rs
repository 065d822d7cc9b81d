//! The states of an application in the queue and in the ledger, and the steps between them. docs/states.md shows the diagram.

use serde::{Deserialize, Serialize};

use crate::outcome::Outcome;
use crate::time::Millis;

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

/// The time that a called applicant has, as the queue shows it to the applicant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CalledWindow {
    /// When it ends, by the queue's clock.
    pub until: Millis,
    /// Whether it was extended.
    pub extended: bool,
    /// Whether the applicant confirmed in time. Then the order is being made.
    pub confirmed: bool,
}

impl CalledWindow {
    /// Whether the applicant may still confirm at this time.
    pub fn is_open(self, now: Millis) -> bool {
        !self.confirmed && now < self.until
    }
}

/// The state of an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ApplicationState {
    /// In the queue, without a seat.
    Waiting,
    /// In the queue, withdrawn by the applicant before it was admitted. The ledger will record `cancelled`.
    Withdrawn,
    /// In the ledger with a seat, while the applicant has time to confirm.
    Called {
        /// When this time ends, by the queue's clock.
        until: Millis,
        /// Whether it was extended.
        extended: bool,
    },
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
    /// Admission assigns a seat, and the order is made.
    Admit,
    /// Admission assigns a seat, and the applicant has time to confirm.
    CallApplicant {
        /// When this time ends.
        until: Millis,
    },
    /// The applicant requests to go on.
    Confirm {
        /// When the queue wrote the request.
        at: Millis,
    },
    /// The applicant requests more time.
    Extend {
        /// When the queue wrote the request.
        at: Millis,
        /// How much more, in milliseconds.
        by: Millis,
    },
    /// The shop reports that a called applicant has ordered.
    ReportOrdered,
    /// The shop reports that there is no order: it was not made, or it was cancelled there.
    ReportReleased,
    /// Every request of before this time is handled.
    Expire {
        /// The time.
        now: Millis,
    },
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
        use ApplicationState::{Called, Ended, Ordering, Parked, Undoing, Waiting, Withdrawn};
        Some(match (self, step) {
            (_, Step::ReportOrdered | Step::ReportReleased) => Ended(self.reported(step)?),
            (Called { until, .. }, Step::Confirm { at }) if at >= until => return None,
            (Waiting, Step::Admit) | (Called { .. }, Step::Confirm { .. }) => Ordering { attempts: 0 },
            (Waiting, Step::CallApplicant { until }) => Called { until, extended: false },
            (Called { until, extended: false }, Step::Extend { at, by }) if at < until && by > 0 => {
                Called { until: until + by, extended: true }
            }
            (Called { until, .. }, Step::Expire { now }) if now >= until => Ended(Outcome::Expired),
            (Waiting, Step::RequestCancel) => Withdrawn,
            (Waiting, Step::Settle) => Ended(Outcome::SoldOut),
            (Ordering { attempts }, Step::Call) => Ordering { attempts: attempts + 1 },
            (Ordering { .. }, Step::OrderAccepted) => Ended(Outcome::Ordered),
            (Withdrawn, Step::RecordCancel) | (Called { .. }, Step::RequestCancel) => {
                Ended(Outcome::Cancelled)
            }
            (Ordering { attempts: 1 }, Step::OrderRejected) => Ended(Outcome::Rejected),
            (Ordering { .. }, Step::OrderRejected) | (Parked { undo: None }, Step::Reject) => {
                Undoing { undo: Undo::Reject, attempts: 0 }
            }
            // Also without a known call: a ledger that was put back to an older state has forgotten calls (`tests/model`).
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

    /// The outcome after a report of the shop; `None` if the application has no seat, or was reported as ordered before.
    fn reported(self, step: Step) -> Option<Outcome> {
        match (self, step) {
            (Self::Called { .. }, Step::ReportOrdered) => Some(Outcome::Ordered),
            (Self::Called { .. }, Step::ReportReleased) => Some(Outcome::Rejected),
            (Self::Ended(Outcome::Ordered), Step::ReportReleased) => Some(Outcome::Cancelled),
            _ => None,
        }
    }

    /// Whether the application holds a seat.
    pub fn has_seat(self) -> bool {
        matches!(
            self,
            Self::Called { .. }
                | Self::Ordering { .. }
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
            Self::Called { .. } => "called",
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
    use ApplicationState::{Called, Ended, Ordering, Parked, Undoing, Waiting, Withdrawn};

    #[test]
    fn an_outcome_is_final_except_that_an_order_can_be_cancelled() {
        let steps = [
            Step::Admit,
            Step::CallApplicant { until: 1 },
            Step::Confirm { at: 0 },
            Step::Extend { at: 0, by: 1 },
            Step::ReportOrdered,
            Step::ReportReleased,
            Step::Expire { now: 1 },
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
    fn a_request_counts_until_the_called_time_ends_and_not_at_its_end() {
        let called = Waiting.after(Step::CallApplicant { until: 100 }).unwrap();
        assert_eq!(called.after(Step::Confirm { at: 99 }), Some(Ordering { attempts: 0 }));
        assert_eq!(called.after(Step::Confirm { at: 100 }), None);
        assert_eq!(called.after(Step::Expire { now: 99 }), None);
        assert_eq!(called.after(Step::Expire { now: 100 }), Some(Ended(Outcome::Expired)));
        assert_eq!(called.after(Step::Extend { at: 100, by: 10 }), None);
        assert_eq!(called.after(Step::Extend { at: 99, by: 0 }), None, "the event allows no extension");
        let extended = called.after(Step::Extend { at: 99, by: 10 }).unwrap();
        assert_eq!(extended, Called { until: 110, extended: true });
        assert_eq!(extended.after(Step::Extend { at: 100, by: 10 }), None, "one extension");
        assert_eq!(extended.after(Step::Confirm { at: 109 }), Some(Ordering { attempts: 0 }));
    }

    #[test]
    fn a_withdrawn_application_is_never_admitted() {
        assert_eq!(Waiting.after(Step::RequestCancel), Some(Withdrawn));
        assert_eq!(Withdrawn.after(Step::Admit), None);
    }
}
