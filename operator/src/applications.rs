//! Parked applications: called so often without an answer that somebody must look. Nobody's name or phone number is here.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use domain::{AppKey, EventId};
use ledger::{ApplicationRow, By, EndParked};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::auth::{EventPath, Operator, Refused, Viewer, segments};
use crate::error::{Error, OfEvent, Turning};
use crate::events::answer;
use crate::request::{Because, Given, MaybeBecause, by};
use crate::response::ChangeShown;
use crate::state::OperatorState;

/// Applications on one list, unless told, and at most.
const USUAL: u32 = 100;
const MOST: u32 = 1000;

/// Which of them; only `parked` can be listed.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Wanted {
    Parked,
}

/// Which applications.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// `parked`, also if not told.
    #[serde(rename = "state")]
    #[param(inline, nullable = false)]
    _state: Option<Wanted>,
    /// At most so many; 100 if not told.
    #[param(nullable = false, minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// An application, without anything personal.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApplicationShown {
    /// What the order service knows it by, behind the event's id and a colon.
    app_key: String,
    /// What the applicant's page, the logs and the audit call it.
    guid: String,
    number: u32,
    #[schema(value_type = String)]
    state: &'static str,
    /// Order calls since it came into this state.
    attempts: u32,
    order_no: Option<String>,
}

impl From<ApplicationRow> for ApplicationShown {
    fn from(row: ApplicationRow) -> Self {
        Self {
            app_key: row.app_key.to_string(),
            guid: row.app_key.guid(),
            number: row.number.get(),
            state: row.state.as_str(),
            attempts: row.attempts,
            order_no: row.order_no,
        }
    }
}

/// Applications, lowest number first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApplicationList {
    items: Vec<ApplicationShown>,
    /// Whether there are more than were asked for.
    more: bool,
}

/// The application that the path names.
pub(crate) struct Named(EventId, AppKey);

impl FromRequestParts<Arc<OperatorState>> for Named {
    type Rejection = Refused;
    async fn from_request_parts(parts: &mut Parts, state: &Arc<OperatorState>) -> Result<Self, Refused> {
        let EventPath(event) = EventPath::from_request_parts(parts, state).await?;
        let key = segments(parts, state).await.get(1).and_then(|key| key.parse().ok());
        key.map(|key| Self(event, key)).ok_or_else(|| Refused::by(state, &Error::NotParked))
    }
}

/// The parked applications of an event.
#[utoipa::path(get, path = "/application/adm/v1/list/application/{event}", params(("event" = String, Path), Which),
    responses((status = 200, body = ApplicationList), OfEvent))]
pub(crate) async fn list(
    State(state): State<Arc<OperatorState>>,
    _: Viewer,
    EventPath(event): EventPath,
    which: Result<Query<Which>, QueryRejection>,
) -> Response {
    answer(&state, listed(&state, &event, which).await)
}

async fn listed(
    state: &OperatorState,
    event: &EventId,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Error> {
    let Query(which) = which.map_err(|why| Error::Malformed(why.body_text()))?;
    let limit = which.limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err(Error::Malformed(format!("limit is 1 to {MOST}")));
    }
    state.event(event).await?;
    let mut rows = state.read(state.ledger.parked(event, limit + 1)).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let items = rows.into_iter().map(Into::into).collect();
    Ok(Json(ApplicationList { items, more }).into_response())
}

/// Has the order service called again for a parked application.
#[utoipa::path(post, path = "/application/adm/v1/requeue/application/{event}/{app_key}", request_body = MaybeBecause,
    params(("event" = String, Path), ("app_key" = String, Path)), responses((status = 200, body = ChangeShown), Turning))]
pub(crate) async fn requeue(
    State(state): State<Arc<OperatorState>>,
    Operator(actor): Operator,
    named: Named,
    Given(request): Given<MaybeBecause>,
) -> Response {
    answer(&state, end(&state, named, EndParked::Retry, by(&actor, request.reason.as_ref())).await)
}

/// Rejects a parked application. An order that may exist is taken back first; only then is the seat free.
#[utoipa::path(post, path = "/application/adm/v1/reject/application/{event}/{app_key}", request_body = Because,
    params(("event" = String, Path), ("app_key" = String, Path)), responses((status = 200, body = ChangeShown), Turning))]
pub(crate) async fn reject(
    State(state): State<Arc<OperatorState>>,
    Operator(actor): Operator,
    named: Named,
    Given(request): Given<Because>,
) -> Response {
    answer(&state, end(&state, named, EndParked::Reject, by(&actor, Some(&request.reason))).await)
}

async fn end(
    state: &OperatorState,
    Named(event, key): Named,
    end: EndParked,
    by: By<'_>,
) -> Result<Response, Error> {
    let row = state.write(state.ledger.end_parked(&event, key, end, by)).await?.ok_or(Error::NotParked)?;
    state.forget(&event);
    tracing::info!(%event, guid = key.guid(), actor = by.actor, action = end.action(), "took a parked one on");
    Ok(Json(ChangeShown::of(row)).into_response())
}
