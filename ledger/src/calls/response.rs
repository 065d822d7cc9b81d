//! Recording the order service's response: outcome, seat and domain event in one transaction, and only under the call's fence.

use domain::application::Step;
use domain::{ApplicationState, Millis, Outcome};

use crate::calls::call_lease::{Call, CallKind};
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::store::transaction::Tx;
use crate::tables::application::{ApplicationRow, UndoneBy, lock_application};
use crate::tables::transition::{end, park, retry_at, start_undoing};

/// The number of order calls without a definite response after which an application is parked.
pub const ATTEMPTS_MAX: u32 = 50;

/// The response of the order service to one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderResponse {
    /// The order exists, under this order number.
    Created(String),
    /// The order service definitely rejected a PUT.
    Rejected,
    /// The order is deleted or never existed, and a later PUT under this key creates none.
    Deleted,
    /// Any other response or none at all: an order may exist. The call is repeated with the same key.
    Unknown {
        /// The least delay of the next call, in milliseconds.
        retry_in_ms: Millis,
    },
}

/// What a recorded response led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallResult {
    /// The application ended.
    Ended(Outcome),
    /// The application needs another call: a retry, or a DELETE first.
    Continues,
    /// Too many calls had no definite response: the application keeps its seat until an operator ends it.
    Parked,
    /// The application was changed since the lease; the response is not recorded.
    Stale,
}

impl Ledger {
    /// Records the response to a leased call.
    pub async fn record_response(&self, call: &Call, response: &OrderResponse) -> Result<CallResult, Error> {
        let mut tx = self.begin().await?;
        let row = lock_application(&mut tx, &call.event, call.app_key).await?;
        let Some(row) = row.filter(|row| row.fence == call.fence) else { return Ok(CallResult::Stale) };
        let now = self.now(&mut tx).await?;
        let next = step(call.kind, response).and_then(|step| row.state.after(step));
        let result = match next {
            Some(ApplicationState::Ended(outcome)) => {
                end(&mut tx, &row, outcome, order_no(response), now).await?;
                CallResult::Ended(outcome)
            }
            Some(ApplicationState::Undoing { undo, .. }) => {
                start_undoing(&mut tx, &row, undo, UndoneBy::OrderService, now).await?;
                CallResult::Continues
            }
            _ => retry_or_park(&mut tx, &row, response, now).await?,
        };
        tx.commit().await?;
        Ok(result)
    }
}

/// The step that a response to a call of this kind stands for. `Deleted` in response to a PUT is not definite here: the ledger has
/// sent no DELETE.
fn step(kind: CallKind, response: &OrderResponse) -> Option<Step> {
    match (kind, response) {
        (CallKind::Put, OrderResponse::Created(_)) => Some(Step::OrderAccepted),
        (CallKind::Put, OrderResponse::Rejected) => Some(Step::OrderRejected),
        (CallKind::Delete, OrderResponse::Deleted) => Some(Step::OrderDeleted),
        _ => None,
    }
}

fn order_no(response: &OrderResponse) -> Option<&str> {
    match response {
        OrderResponse::Created(order_no) => Some(order_no),
        _ => None,
    }
}

async fn retry_or_park(
    tx: &mut Tx,
    row: &ApplicationRow,
    response: &OrderResponse,
    now: Millis,
) -> Result<CallResult, Error> {
    if row.attempts >= ATTEMPTS_MAX {
        park(tx, row, now).await?;
        return Ok(CallResult::Parked);
    }
    let retry_in_ms = if let OrderResponse::Unknown { retry_in_ms } = response { *retry_in_ms } else { 0 };
    retry_at(tx, row, now + retry_in_ms).await?;
    Ok(CallResult::Continues)
}
