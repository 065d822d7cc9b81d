//! What a change would do, without making it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use ledger::Change;
use serde::Deserialize;
use utoipa::ToSchema;

use super::events::EventUpdate;
use crate::auth::Operator;
use crate::effects;
use crate::error::Error;
use crate::error_docs::ChangeRoute;
use crate::request::{Announcement, AutoPaceRules, EventPath, JsonBody, PaceField, optional_whole_number};
use crate::response::PreviewResponse;
use crate::state::OperatorState;

/// A kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RequestedAction {
    Update,
    Open,
    Close,
    Settle,
    Pause,
    Resume,
    Drain,
    Pace,
    AutoPace,
    InFlightMax,
    Capacity,
    Announcement,
    AcceptRecovery,
    Unfreeze,
}

/// A change with its new value, if it has one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestedChange {
    #[schema(inline)]
    pub(crate) action: RequestedAction,
    /// For `pace`.
    pace: Option<PaceField>,
    /// For `auto_pace`; without it, the automatic pace ends.
    auto_pace: Option<AutoPaceRules>,
    /// For `in_flight_max`.
    #[schema(minimum = 1, maximum = 10_000)]
    #[serde(default, deserialize_with = "optional_whole_number")]
    in_flight_max: Option<u32>,
    /// For `capacity`.
    #[schema(minimum = 1, maximum = 10_000_000)]
    #[serde(default, deserialize_with = "optional_whole_number")]
    capacity: Option<u32>,
    /// For `announcement`.
    announcement: Option<Announcement>,
    /// For `update`.
    update: Option<EventUpdate>,
}

impl RequestedChange {
    /// The change; an error if its value is missing.
    pub(crate) fn into_change(self) -> Result<Change, Error> {
        let Self { action, pace, auto_pace, in_flight_max, capacity, announcement, update } = self;
        let missing = |name: &str| Error::field(&format!("/{name}"), "required", "the action needs a value");
        Ok(match action {
            RequestedAction::Update => Change::Update(update.ok_or_else(|| missing("update"))?.patch()),
            RequestedAction::Open => Change::Open,
            RequestedAction::Close => Change::Close,
            RequestedAction::Settle => Change::Settle,
            RequestedAction::Pause => Change::Pause,
            RequestedAction::Resume => Change::Resume,
            RequestedAction::Drain => Change::Drain,
            RequestedAction::Pace => Change::Pace(pace.ok_or_else(|| missing("pace"))?.0),
            RequestedAction::AutoPace => Change::AutoPace(auto_pace.map(Into::into)),
            RequestedAction::InFlightMax => {
                Change::InFlightMax(in_flight_max.ok_or_else(|| missing("in_flight_max"))?)
            }
            RequestedAction::Capacity => Change::Capacity(capacity.ok_or_else(|| missing("capacity"))?),
            RequestedAction::Announcement => {
                Change::Announcement(announcement.ok_or_else(|| missing("announcement"))?.0)
            }
            RequestedAction::AcceptRecovery => Change::AcceptRecovery,
            RequestedAction::Unfreeze => Change::Unfreeze,
        })
    }
}

/// Tells what a change would do now: the fields, how long the waiting applications would take, which of them would be affected, and
/// whether it could be undone. Nothing is changed, and no lock is taken.
#[utoipa::path(post, path = "/gate/adm/v1/preview/change/{event}", request_body = RequestedChange,
    params(("event" = String, Path)), responses((status = 200, body = PreviewResponse), ChangeRoute))]
pub(crate) async fn preview(
    State(state): State<Arc<OperatorState>>,
    _: Operator,
    EventPath(event): EventPath,
    JsonBody(body): JsonBody<RequestedChange>,
) -> Result<Json<PreviewResponse>, Error> {
    let change = body.into_change()?;
    let row = state.event(&event).await?;
    let live = state.live(&event).await?;
    effects::preview(&row, &live, &change, (state.now)()).map(Json)
}
