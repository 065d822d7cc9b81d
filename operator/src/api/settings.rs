//! Limits that an operator sets while an event runs. Each requires `If-Match`: of two operators who read the same figures only one
//! changes them.

use std::sync::Arc;

use axum::extract::State;
use ledger::Change;
use serde::Deserialize;
use utoipa::ToSchema;

use super::change::apply_request;
use crate::error::Error;
use crate::error_docs::SettingRoute;
use crate::request::{
    Announcement, AutoPaceRules, ChangeBody, ChangeRequest, IfMatchRequired, MatchRule, PaceField, Reason,
    present, whole_number,
};
use crate::response::ChangeResponse;
use crate::state::OperatorState;

/// A new pace.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPace {
    pace: PaceField,
    reason: Option<Reason>,
}

impl ChangeBody for NewPace {
    const IF_MATCH: MatchRule = MatchRule::Required;
    fn reason(&self) -> Option<&Reason> {
        self.reason.as_ref()
    }
}

/// New rules of the automatic pace.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAutoPace {
    /// The rules; null ends the automatic pace, and the pace stays as it is.
    #[serde(deserialize_with = "present")]
    #[schema(required = true)]
    auto_pace: Option<AutoPaceRules>,
    reason: Option<Reason>,
}

impl ChangeBody for NewAutoPace {
    const IF_MATCH: MatchRule = MatchRule::Required;
    fn reason(&self) -> Option<&Reason> {
        self.reason.as_ref()
    }
}

/// A new number of seats.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCapacity {
    #[schema(minimum = 1, maximum = 10_000_000)]
    #[serde(deserialize_with = "whole_number")]
    capacity: u32,
    reason: Reason,
}

impl ChangeBody for NewCapacity {
    const IF_MATCH: MatchRule = MatchRule::Required;
    fn reason(&self) -> Option<&Reason> {
        Some(&self.reason)
    }
}

/// A new limit of order calls in flight.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewInFlightMax {
    #[schema(minimum = 1, maximum = 10_000)]
    #[serde(deserialize_with = "whole_number")]
    in_flight_max: u32,
    reason: Option<Reason>,
}

impl ChangeBody for NewInFlightMax {
    const IF_MATCH: MatchRule = MatchRule::Required;
    fn reason(&self) -> Option<&Reason> {
        self.reason.as_ref()
    }
}

/// A new announcement.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAnnouncement {
    announcement: Announcement,
    reason: Option<Reason>,
}

impl ChangeBody for NewAnnouncement {
    const IF_MATCH: MatchRule = MatchRule::Required;
    fn reason(&self) -> Option<&Reason> {
        self.reason.as_ref()
    }
}

/// Sets how many order calls are started per second, and ends the automatic pace.
#[utoipa::path(put, path = "/gate/adm/v1/set/pace/{event}", request_body = NewPace,
    params(("event" = String, Path), IfMatchRequired),
    responses((status = 200, body = ChangeResponse, headers(("ETag" = String))), SettingRoute))]
pub(crate) async fn pace(
    State(state): State<Arc<OperatorState>>,
    request: ChangeRequest<NewPace>,
) -> Result<ChangeResponse, Error> {
    apply_request(&state, &request, Change::Pace(request.body.pace.0)).await
}

/// Makes the pace follow the latency and the errors of the order calls, between two limits, or ends that.
#[utoipa::path(put, path = "/gate/adm/v1/set/auto-pace/{event}", request_body = NewAutoPace,
    params(("event" = String, Path), IfMatchRequired),
    responses((status = 200, body = ChangeResponse, headers(("ETag" = String))), SettingRoute))]
pub(crate) async fn auto_pace(
    State(state): State<Arc<OperatorState>>,
    request: ChangeRequest<NewAutoPace>,
) -> Result<ChangeResponse, Error> {
    let rules = request.body.auto_pace.clone().map(Into::into);
    apply_request(&state, &request, Change::AutoPace(rules)).await
}

/// Sets the number of seats. Lowering removes free seats only.
#[utoipa::path(put, path = "/gate/adm/v1/set/capacity/{event}", request_body = NewCapacity,
    params(("event" = String, Path), IfMatchRequired),
    responses((status = 200, body = ChangeResponse, headers(("ETag" = String))), SettingRoute))]
pub(crate) async fn capacity(
    State(state): State<Arc<OperatorState>>,
    request: ChangeRequest<NewCapacity>,
) -> Result<ChangeResponse, Error> {
    apply_request(&state, &request, Change::Capacity(request.body.capacity)).await
}

/// Sets how many order calls may be in flight.
#[utoipa::path(put, path = "/gate/adm/v1/set/in-flight-max/{event}", request_body = NewInFlightMax,
    params(("event" = String, Path), IfMatchRequired),
    responses((status = 200, body = ChangeResponse, headers(("ETag" = String))), SettingRoute))]
pub(crate) async fn in_flight_max(
    State(state): State<Arc<OperatorState>>,
    request: ChangeRequest<NewInFlightMax>,
) -> Result<ChangeResponse, Error> {
    apply_request(&state, &request, Change::InFlightMax(request.body.in_flight_max)).await
}

/// Sets the announcement on the applicants' pages; two empty texts remove it.
#[utoipa::path(put, path = "/gate/adm/v1/set/announcement/{event}", request_body = NewAnnouncement,
    params(("event" = String, Path), IfMatchRequired),
    responses((status = 200, body = ChangeResponse, headers(("ETag" = String))), SettingRoute))]
pub(crate) async fn announcement(
    State(state): State<Arc<OperatorState>>,
    request: ChangeRequest<NewAnnouncement>,
) -> Result<ChangeResponse, Error> {
    let text = request.body.announcement.0.clone();
    apply_request(&state, &request, Change::Announcement(text)).await
}
