//! Parked applications: their order calls got no clear response too often, so an operator must decide. No name or phone number is
//! shown.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::{AppKey, EventId};
use ledger::{ChangedBy, EndParked};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::page::{QueryResult, cut_to_page, page_length, parameters};
use crate::auth::{Operator, Viewer};
use crate::error::Error;
use crate::error_docs::{ChangeRoute, EventRoute};
use crate::request::{ApplicationPath, EventPath, JsonBody, OptionalReason, RequiredReason, audited_by};
use crate::response::{ApplicationList, ChangeResponse};
use crate::state::OperatorState;

/// Default and longest list.
const LIST_DEFAULT: u32 = 100;
const LIST_MAX: u32 = 1000;

/// The states that can be listed.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ListedState {
    Parked,
}

/// The part of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ApplicationQuery {
    /// `parked`, which is also the default.
    #[serde(rename = "state")]
    #[param(inline, nullable = false)]
    _state: Option<ListedState>,
    /// The most applications to return; 100 by default.
    #[param(nullable = false, minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Lists parked applications, lowest number first.
#[utoipa::path(get, path = "/application/adm/v1/list/application/{event}",
    params(("event" = String, Path), ApplicationQuery),
    responses((status = 200, body = ApplicationList), EventRoute))]
pub(crate) async fn list(
    State(state): State<Arc<OperatorState>>,
    _: Viewer,
    EventPath(event): EventPath,
    query: QueryResult<ApplicationQuery>,
) -> Result<Json<ApplicationList>, Error> {
    let limit = page_length(parameters(query)?.limit, LIST_DEFAULT, LIST_MAX)?;
    state.event(&event).await?;
    let mut rows = state.read(state.ledger.parked(&event, limit + 1)).await?;
    let more = cut_to_page(&mut rows, limit);
    let items = rows.into_iter().map(Into::into).collect();
    Ok(Json(ApplicationList { items, more }))
}

/// Makes the worker call the order service again for a parked application.
#[utoipa::path(post, path = "/application/adm/v1/retry/application/{event}/{app_key}", request_body = OptionalReason,
    params(("event" = String, Path), ("app_key" = String, Path)),
    responses((status = 200, body = ChangeResponse), ChangeRoute))]
pub(crate) async fn retry(
    State(state): State<Arc<OperatorState>>,
    Operator(actor): Operator,
    ApplicationPath(event, app_key): ApplicationPath,
    JsonBody(body): JsonBody<OptionalReason>,
) -> Result<Json<ChangeResponse>, Error> {
    let by = audited_by(&actor, body.reason.as_ref());
    end_parked(&state, &event, app_key, EndParked::Retry, by).await.map(Json)
}

/// Rejects a parked application. An order that may exist is deleted first; only then is the seat free.
#[utoipa::path(post, path = "/application/adm/v1/reject/application/{event}/{app_key}", request_body = RequiredReason,
    params(("event" = String, Path), ("app_key" = String, Path)),
    responses((status = 200, body = ChangeResponse), ChangeRoute))]
pub(crate) async fn reject(
    State(state): State<Arc<OperatorState>>,
    Operator(actor): Operator,
    ApplicationPath(event, app_key): ApplicationPath,
    JsonBody(body): JsonBody<RequiredReason>,
) -> Result<Json<ChangeResponse>, Error> {
    let by = audited_by(&actor, Some(&body.reason));
    end_parked(&state, &event, app_key, EndParked::Reject, by).await.map(Json)
}

/// Records the operator's decision about a parked application.
pub(crate) async fn end_parked(
    state: &OperatorState,
    event: &EventId,
    app_key: AppKey,
    decision: EndParked,
    by: ChangedBy<'_>,
) -> Result<ChangeResponse, Error> {
    let ended = state.write(state.ledger.end_parked(event, app_key, decision, by)).await?;
    let row = ended.ok_or(Error::NotParked)?;
    state.invalidate_figures(event);
    state.forget_live(event).await;
    let guid = app_key.guid();
    let action = decision.action().as_str();
    tracing::info!(%event, guid, actor = by.actor, action, "parked application decided");
    Ok(ChangeResponse::from_audit(row))
}
