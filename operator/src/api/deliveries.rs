//! Deliveries to webhook endpoints: the log, and making them again.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::EventId;
use ledger::{DeliveryFilter, DeliveryRange};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::page::{QueryResult, cut_to_page, page_length, parameters};
use crate::auth::{Operator, Viewer};
use crate::error::Error;
use crate::error_docs::{EndpointChangeRoute, EndpointRoute};
use crate::request::{EndpointPath, JsonBody, Reason, audited_by};
use crate::response::{DeliveryList, ReplayedDeliveries};
use crate::state::OperatorState;

/// Default and longest list.
const LIST_DEFAULT: u32 = 50;
const LIST_MAX: u32 = 1000;
/// The most numbers of domain events in one replay. It bounds the transaction; `replay/target` sends all of an event again.
const REPLAYED_MAX: i64 = 10_000;

/// The states of a delivery.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeliveryState {
    Pending,
    Done,
    Dead,
}

impl DeliveryState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Done => "done",
            Self::Dead => "dead",
        }
    }
}

/// The part of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeliveryQuery {
    /// Deliveries of this event only; tests if it is empty.
    #[param(nullable = false, pattern = "^([a-z0-9][a-z0-9-]{0,39})?$")]
    event: Option<String>,
    /// Deliveries in this state only.
    #[param(inline, nullable = false)]
    state: Option<DeliveryState>,
    /// The most deliveries to return; 50 by default.
    #[param(nullable = false, minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Lists deliveries to an endpoint: tests first, then by event, latest numbers first.
#[utoipa::path(get, path = "/hook/adm/v1/list/delivery/{endpoint}", params(("endpoint" = String, Path), DeliveryQuery),
    responses((status = 200, body = DeliveryList), EndpointRoute))]
pub(crate) async fn list(
    State(state): State<Arc<OperatorState>>,
    _: Viewer,
    EndpointPath(endpoint): EndpointPath,
    query: QueryResult<DeliveryQuery>,
) -> Result<Json<DeliveryList>, Error> {
    let query = parameters(query)?;
    let limit = page_length(query.limit, LIST_DEFAULT, LIST_MAX)?;
    state.read(state.ledger.endpoint(&endpoint)).await?.ok_or(Error::UnknownEndpoint)?;
    let filter =
        DeliveryFilter { event: query.event.as_deref(), state: query.state.map(DeliveryState::as_str) };
    let mut rows = state.read(state.ledger.deliveries(&endpoint, filter, limit + 1)).await?;
    let more = cut_to_page(&mut rows, limit);
    Ok(Json(DeliveryList { items: rows.into_iter().map(Into::into).collect(), more }))
}

/// Deliveries to make again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeliveryReplayBody {
    /// The event.
    #[schema(value_type = String, pattern = "^[a-z0-9][a-z0-9-]{0,39}$")]
    event: EventId,
    /// The number of the first domain event.
    #[schema(minimum = 1)]
    from_seq: i64,
    /// The number of the last one, at most 9,999 above; the same as the first without this field.
    to_seq: Option<i64>,
    /// Whether the deliveries are only counted.
    #[serde(default)]
    dry_run: bool,
    reason: Option<Reason>,
}

impl DeliveryReplayBody {
    fn range(&self) -> Result<DeliveryRange, Error> {
        let (from, to) = (self.from_seq, self.to_seq.unwrap_or(self.from_seq));
        if from < 1 {
            return Err(Error::field("/from_seq", "invalid", "is at least 1"));
        }
        if to < from || to - from >= REPLAYED_MAX {
            return Err(Error::field("/to_seq", "invalid", "is from_seq or at most 9,999 above"));
        }
        Ok(DeliveryRange { event: self.event.clone(), from, to })
    }
}

/// Makes deliveries that have ended again, under the same IDs with a new timestamp.
#[utoipa::path(post, path = "/hook/adm/v1/replay/delivery/{endpoint}", request_body = DeliveryReplayBody,
    params(("endpoint" = String, Path)), responses((status = 200, body = ReplayedDeliveries), EndpointChangeRoute))]
pub(crate) async fn replay(
    State(state): State<Arc<OperatorState>>,
    Operator(actor): Operator,
    EndpointPath(endpoint): EndpointPath,
    JsonBody(body): JsonBody<DeliveryReplayBody>,
) -> Result<Json<ReplayedDeliveries>, Error> {
    state.read(state.ledger.endpoint(&endpoint)).await?.ok_or(Error::UnknownEndpoint)?;
    let range = body.range()?;
    if body.dry_run {
        let deliveries = state.read(state.ledger.count_ended_deliveries(&endpoint, &range)).await?;
        return Ok(Json(ReplayedDeliveries { deliveries: deliveries as usize, dry_run: true }));
    }
    let by = audited_by(&actor, body.reason.as_ref());
    let replayed = state.write(state.ledger.replay_deliveries(&endpoint, &range, by)).await?;
    let deliveries = replayed.ok_or(Error::UnknownEndpoint)?;
    tracing::info!(endpoint, deliveries, actor, "webhook deliveries are made again");
    Ok(Json(ReplayedDeliveries { deliveries, dry_run: false }))
}
