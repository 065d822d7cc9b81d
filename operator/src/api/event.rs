//! Reading an event with its figures.

use ledger::EventRow;

use crate::error::Error;
use crate::response::EventResponse;
use crate::state::OperatorState;

/// The response of an event that was read from the ledger.
pub(super) async fn event_response(state: &OperatorState, event: EventRow) -> Result<EventResponse, Error> {
    let figures = state.figures(&event).await?;
    let queue = state.queue_status(&event.settings.id).await?;
    let missing_journals = match event.journals_missing {
        0 => Vec::new(),
        _ => state.read(state.ledger.missing_journals(&event.settings.id)).await?,
    };
    Ok(EventResponse::new(event, figures, queue, missing_journals, (state.now)()))
}
