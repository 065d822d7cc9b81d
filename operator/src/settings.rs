//! The limits that an operator sets while an event runs. Each needs `If-Match`, so that of two operators who saw the same figures
//! only one changes them.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use ledger::Change;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::auth::{EventPath, MustMatch, Operator, RevNeeded};
use crate::error::Setting;
use crate::events::answer;
use crate::release::change;
use crate::request::{Announcement, Given, Rate, Reason, by, whole};
use crate::response::ChangeShown;
use crate::state::OperatorState;

/// The new pace.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPace {
    pace: Rate,
    reason: Option<Reason>,
}

/// The new number of seats.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCapacity {
    #[schema(minimum = 1, maximum = 10_000_000)]
    #[serde(deserialize_with = "whole")]
    capacity: u32,
    reason: Reason,
}

/// The new limit.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewInFlightMax {
    #[schema(minimum = 1, maximum = 10_000)]
    #[serde(deserialize_with = "whole")]
    in_flight_max: u32,
    reason: Option<Reason>,
}

/// The new announcement.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAnnouncement {
    announcement: Announcement,
    reason: Option<Reason>,
}

/// Sets how many order calls are started per second.
#[utoipa::path(put, path = "/gate/adm/v1/set/pace/{event}", request_body = NewPace, params(("event" = String, Path),
    RevNeeded),
    responses((status = 200, body = ChangeShown, headers(("ETag" = String))), Setting))]
pub(crate) async fn pace(
    State(state): State<Arc<OperatorState>>,
    Operator(actor): Operator,
    EventPath(event): EventPath,
    MustMatch(rev): MustMatch,
    Given(new): Given<NewPace>,
) -> Response {
    let who = by(&actor, new.reason.as_ref());
    answer(&state, change(&state, &event, rev, &Change::Pace(new.pace.0), who).await)
}

/// Sets the number of seats. Lowering takes free ones away, and no others.
#[utoipa::path(put, path = "/gate/adm/v1/set/capacity/{event}", request_body = NewCapacity, params(("event" = String, Path),
    RevNeeded),
    responses((status = 200, body = ChangeShown, headers(("ETag" = String))), Setting))]
pub(crate) async fn capacity(
    State(state): State<Arc<OperatorState>>,
    Operator(actor): Operator,
    EventPath(event): EventPath,
    MustMatch(rev): MustMatch,
    Given(new): Given<NewCapacity>,
) -> Response {
    let who = by(&actor, Some(&new.reason));
    answer(&state, change(&state, &event, rev, &Change::Capacity(new.capacity), who).await)
}

/// Sets how many order calls may be unanswered at once.
#[utoipa::path(put, path = "/gate/adm/v1/set/in-flight-max/{event}", request_body = NewInFlightMax,
    params(("event" = String, Path),
    RevNeeded),
    responses((status = 200, body = ChangeShown, headers(("ETag" = String))), Setting))]
pub(crate) async fn in_flight_max(
    State(state): State<Arc<OperatorState>>,
    Operator(actor): Operator,
    EventPath(event): EventPath,
    MustMatch(rev): MustMatch,
    Given(new): Given<NewInFlightMax>,
) -> Response {
    let who = by(&actor, new.reason.as_ref());
    answer(&state, change(&state, &event, rev, &Change::InFlightMax(new.in_flight_max), who).await)
}

/// Sets what the applicants are told; two empty texts take it away.
#[utoipa::path(put, path = "/gate/adm/v1/set/announcement/{event}", request_body = NewAnnouncement, params(("event" = String, Path),
    RevNeeded),
    responses((status = 200, body = ChangeShown, headers(("ETag" = String))), Setting))]
pub(crate) async fn announcement(
    State(state): State<Arc<OperatorState>>,
    Operator(actor): Operator,
    EventPath(event): EventPath,
    MustMatch(rev): MustMatch,
    Given(new): Given<NewAnnouncement>,
) -> Response {
    let who = by(&actor, new.reason.as_ref());
    answer(&state, change(&state, &event, rev, &Change::Announcement(new.announcement.0), who).await)
}
