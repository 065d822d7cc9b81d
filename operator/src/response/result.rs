//! The result of an event: the sums, and one application as a line of the file.

use domain::{ApplicationState, EventState, Millis, Outcome};
use ledger::{ApplicationRow, EventResult, EventRow, UndoneBy};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::csv;
use crate::timestamp;

/// How many applications there are in each state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResultResponse {
    /// The event.
    pub event: String,
    /// The event's state.
    #[schema(value_type = String)]
    pub state: EventState,
    /// When the applications were counted; the queue's figures are at most a second older.
    #[schema(format = DateTime)]
    pub at: String,
    /// Numbers that the queue gave: the sum of all below.
    pub accepted: i64,
    /// Ended with an order.
    pub ordered: i64,
    /// Waiting in the queue.
    pub waiting: i64,
    /// Waited when the event was settled.
    pub sold_out: i64,
    /// Ended by a cancellation.
    pub cancelled: i64,
    /// Ended since the order was rejected, by the order service or an operator.
    pub rejected: i64,
    /// Ended since the applicant did not confirm in time.
    pub expired: i64,
    /// Called, ordering, or being undone.
    pub under_way: i64,
    /// To be decided by an operator.
    pub parked: i64,
    /// Numbers without any of these states: 0, but for cancellations of this second and for applications that the queue lost.
    pub unaccounted: i64,
    /// When the first of these orders was recorded.
    #[schema(format = DateTime)]
    pub first_order_at: Option<String>,
    /// When the last of them was.
    #[schema(format = DateTime)]
    pub last_order_at: Option<String>,
}

impl ResultResponse {
    pub(crate) fn new(event: &EventRow, result: &EventResult, now: Millis) -> Self {
        let state = event.state.at(&event.settings, now);
        let is_settled = state == EventState::Settled;
        let between = result.ordered_between;
        Self {
            event: event.settings.id.to_string(),
            state,
            at: timestamp::format(now),
            accepted: result.accepted,
            ordered: result.ordered,
            waiting: if is_settled { 0 } else { result.waiting },
            sold_out: if is_settled { result.waiting } else { 0 },
            cancelled: result.cancelled,
            rejected: result.rejected,
            expired: result.expired,
            under_way: result.under_way,
            parked: result.parked,
            unaccounted: result.unaccounted(),
            first_order_at: between.map(|(first, _)| timestamp::format(first)),
            last_order_at: between.map(|(_, last)| timestamp::format(last)),
        }
    }

    /// The applications that ended without an order.
    pub fn ended(&self) -> i64 {
        self.sold_out + self.cancelled + self.rejected + self.expired
    }

    /// The sums in one line.
    pub fn reconciliation(&self) -> String {
        let Self { accepted, ordered, waiting, sold_out, cancelled, rejected, expired, .. } = self;
        format!(
            "accepted {accepted} = ordered {ordered} + waiting {waiting} + under way {} + parked {} + ended {} \
             (sold_out {sold_out}, cancelled {cancelled}, rejected {rejected}, expired {expired}) + unaccounted {}",
            self.under_way,
            self.parked,
            self.ended(),
            self.unaccounted
        )
    }
}

/// The columns of the file.
pub(crate) const COLUMNS: [&str; 9] =
    ["number", "guid", "state", "reason", "order_no", "seat", "admitted_at", "ended_at", "order_calls"];

/// An application as a line of the file.
pub(crate) fn result_line(row: &ApplicationRow) -> String {
    let time = |at: Option<Millis>| at.map(timestamp::format).unwrap_or_default();
    csv::line([
        row.number.get().to_string().as_str(),
        &row.app_key.guid(),
        row.state.as_str(),
        end_reason(row),
        row.order_no.as_deref().unwrap_or_default(),
        &row.seat.map(|seat| seat.to_string()).unwrap_or_default(),
        &timestamp::format(row.admitted_at),
        &time(row.ended_at),
        &row.attempts.to_string(),
    ])
}

/// Who ended an application that ended without an order; empty for any other.
pub(crate) fn end_reason(row: &ApplicationRow) -> &'static str {
    let ApplicationState::Ended(outcome) = row.state else { return "" };
    match (outcome, row.undo_by) {
        (Outcome::Ordered | Outcome::SoldOut, _) => "",
        (Outcome::Expired, _) => "not_confirmed",
        (_, Some(by)) => by.as_str(),
        (Outcome::Cancelled, None) => UndoneBy::Applicant.as_str(),
        (Outcome::Rejected, None) => UndoneBy::OrderService.as_str(),
    }
}
