//! Applying one change to an event.

use domain::EventId;
use ledger::{Change, ChangedBy};

use crate::error::Error;
use crate::request::{ChangeBody, ChangeRequest};
use crate::response::ChangeResponse;
use crate::state::OperatorState;

/// Applies the change of this request.
pub(super) async fn apply_request<B: ChangeBody>(
    state: &OperatorState,
    request: &ChangeRequest<B>,
    change: Change,
) -> Result<ChangeResponse, Error> {
    apply(state, &request.event, request.expected_rev, &change, request.by()).await
}

/// Applies a change, at the expected rev if one is given.
pub(crate) async fn apply(
    state: &OperatorState,
    event: &EventId,
    expected_rev: Option<i64>,
    change: &Change,
    by: ChangedBy<'_>,
) -> Result<ChangeResponse, Error> {
    let changed = match state.write(state.ledger.change(event, expected_rev, change, by)).await {
        Err(Error::StaleRev) => return Err(stale(state, event).await?),
        changed => changed?,
    };
    state.forget_live(event).await;
    let Some(row) = changed.change else {
        let now = (state.now)();
        return Ok(ChangeResponse::unchanged(&changed.event, change.action().as_str(), by.actor, now));
    };
    tracing::info!(%event, rev = row.rev, actor = by.actor, action = change.action().as_str(), "event changed");
    Ok(ChangeResponse::from_audit(row))
}

/// The error of a change at an old rev, with the event as it is now.
async fn stale(state: &OperatorState, event: &EventId) -> Result<Error, Error> {
    let current = state.event_response(state.event(event).await?).await?;
    let rev = current.rev;
    let event = serde_json::to_value(current).unwrap_or_default();
    Ok(Error::Stale { rev, event })
}
