//! Finding one application by what an applicant can tell: the number, the GUID, or the receipt.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::{EventId, EventState, Receipt};
use ledger::ApplicationName;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::auth::Viewer;
use crate::error::Error;
use crate::error_docs::FindRoute;
use crate::request::{EventPath, JsonBody};
use crate::response::ApplicationTimeline;
use crate::state::OperatorState;

/// What the applicant told.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FoundBy {
    /// The number, the GUID, the application key, or the receipt or its address.
    #[schema(max_length = 400)]
    by: String,
}

/// Finds an application, and tells what happened to it. No personal data: the operator API has no key to decrypt a contact.
#[utoipa::path(post, path = "/application/adm/v1/find/application/{event}", request_body = FoundBy,
    params(("event" = String, Path)), responses((status = 200, body = ApplicationTimeline), FindRoute))]
pub(crate) async fn find(
    State(state): State<Arc<OperatorState>>,
    _: Viewer,
    EventPath(event): EventPath,
    JsonBody(body): JsonBody<FoundBy>,
) -> Result<Json<ApplicationTimeline>, Error> {
    timeline(&state, &event, &body.by).await.map(Json)
}

/// The application of that name, with its timeline.
pub(crate) async fn timeline(
    state: &OperatorState,
    event: &EventId,
    by: &str,
) -> Result<ApplicationTimeline, Error> {
    let row = state.event(event).await?;
    let (name, number) = name(event, by.trim()).ok_or(Error::NoApplication)?;
    if let Some(found) = state.read(state.ledger.find_application(event, &name)).await? {
        let events = state.read(state.ledger.application_events(event, found.app_key)).await?;
        let decisions = state.read(state.ledger.application_decisions(event, found.app_key)).await?;
        return Ok(ApplicationTimeline::of_row(&found, &events, &decisions));
    }
    let queue = state.queue_status(event).await?;
    let is_settled = row.state == EventState::Settled;
    let waiting = number.zip(queue).and_then(|(number, queue)| {
        ApplicationTimeline::of_queue(event.as_str(), number, &queue, is_settled)
    });
    waiting.ok_or(Error::NoApplication)
}

/// What a text names: an application of the ledger, and a number that the queue may have.
fn name(event: &EventId, by: &str) -> Option<(ApplicationName, Option<u32>)> {
    if let Ok(number) = by.replace(',', "").parse::<u32>() {
        return Some((ApplicationName::Number(number), Some(number)));
    }
    let hex = by.replace('-', "").to_ascii_lowercase();
    if hex.len() == 32 && hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Some((ApplicationName::Hex(hex), None));
    }
    let receipt = Receipt::unverified(by.rsplit('/').next()?).filter(|receipt| receipt.event == *event)?;
    Some((ApplicationName::Hex(receipt.app_key.to_string()), Some(receipt.number.get())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_a_guid_and_a_key_are_told_apart() {
        let event = "spring".parse().unwrap();
        let number = |by| name(&event, by);
        assert_eq!(number("41,207"), Some((ApplicationName::Number(41_207), Some(41_207))));
        let hex = "05dfe64551d8844689a224bc654d8eb7".to_owned();
        assert_eq!(number("05DFE645-51d8-8446-89a2-24bc654d8eb7"), Some((ApplicationName::Hex(hex), None)));
        for wrong in ["", "kim", "010-1234-5678x", "-1", "k1.AAAA", "/a/"] {
            assert_eq!(number(wrong), None, "{wrong}");
        }
    }
}
