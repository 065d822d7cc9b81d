//! The outbox: how far each target is, and sending domain events again.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::EventId;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::page::{QueryResult, parameters};
use crate::auth::{Operator, Viewer};
use crate::error::Error;
use crate::error_docs::{ChangeRoute, EventRoute};
use crate::request::{JsonBody, Reason, TargetPath, audited_by};
use crate::response::{ChangeResponse, TargetList, TargetResponse};
use crate::state::OperatorState;

/// The part of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TargetQuery {
    /// The domain events of this event only.
    #[param(nullable = false, pattern = "^[a-z0-9][a-z0-9-]{0,39}$")]
    event: Option<String>,
}

/// Lists how far each target is with the domain events of each event.
#[utoipa::path(get, path = "/outbox/adm/v1/list/target", params(TargetQuery),
    responses((status = 200, body = TargetList), EventRoute))]
pub(crate) async fn list(
    State(state): State<Arc<OperatorState>>,
    _: Viewer,
    query: QueryResult<TargetQuery>,
) -> Result<Json<TargetList>, Error> {
    let event: Option<EventId> =
        parameters(query)?.event.map(|event| event.parse()).transpose().map_err(|_| Error::UnknownEvent)?;
    if let Some(event) = &event {
        state.event(event).await?;
    }
    let statuses = state.read(state.ledger.target_statuses(event.as_ref())).await?;
    let now = state.read(state.ledger.time()).await?;
    let items = statuses.into_iter().map(|status| TargetResponse::new(status, now)).collect();
    Ok(Json(TargetList { items }))
}

/// What to send again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayBody {
    /// The number of the first domain event to send again.
    #[schema(minimum = 1)]
    from_seq: i64,
    reason: Option<Reason>,
}

/// Sends the domain events of an event to a target again, under the same IDs.
#[utoipa::path(post, path = "/outbox/adm/v1/replay/target/{target}/{event}", request_body = ReplayBody,
    params(("target" = String, Path), ("event" = String, Path)),
    responses((status = 200, body = ChangeResponse), ChangeRoute))]
pub(crate) async fn replay(
    State(state): State<Arc<OperatorState>>,
    Operator(actor): Operator,
    TargetPath(target, event): TargetPath,
    JsonBody(body): JsonBody<ReplayBody>,
) -> Result<Json<ChangeResponse>, Error> {
    if body.from_seq < 1 {
        return Err(Error::field("/from_seq", "out_of_range", "is at least 1"));
    }
    let by = audited_by(&actor, body.reason.as_ref());
    let replayed = state.write(state.ledger.replay(&target, &event, body.from_seq, by)).await?;
    let row = replayed.ok_or(Error::NothingToReplay)?;
    tracing::info!(%event, target_name = target, from_seq = body.from_seq, actor = by.actor, "domain events are sent again");
    Ok(Json(ChangeResponse::from_audit(row)))
}
