//! Opening, closing, settling; pausing, resuming, draining; and what an operator says after having looked. `If-Match` is honoured
//! here and not asked for: who pauses in an emergency must not be sent back to read first.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use domain::EventId;
use orders::{By, Change};

use crate::events::answer;
use crate::given::{Because, Given, MaybeBecause, by};
use crate::guard::{EventPath, IfMatch, Operator, RevTold};
use crate::refusal::{Refusal, Turning};
use crate::room::Room;
use crate::shown::ChangeShown;

/// Has the book make a change, and tells what it did.
pub(crate) async fn change(
    room: &Room,
    event: &EventId,
    if_rev: Option<i64>,
    change: &Change,
    by: By<'_>,
) -> Result<Response, Refusal> {
    let changed = match room.write(room.book.change(event, if_rev, change, by)).await {
        Err(Refusal::StaleAt) => {
            let current = room.shown(room.event(event).await?).await?;
            return Err(Refusal::Stale(Box::new(current)));
        }
        changed => changed?,
    };
    if let Some(row) = &changed.change {
        tracing::info!(%event, rev = row.rev, actor = by.actor, action = change.action(), "changed");
    }
    let now = (room.now)();
    let shown = changed
        .change
        .map_or_else(|| ChangeShown::none(&changed.event, change.action(), by.actor, now), ChangeShown::of);
    Ok(([shown.etag()], Json(shown)).into_response())
}

/// A valve that may be turned without saying why.
async fn turn(
    room: &Room,
    wish: Change,
    who: (Operator, EventPath, IfMatch),
    given: MaybeBecause,
) -> Response {
    let (Operator(actor), EventPath(event), IfMatch(rev)) = who;
    answer(room, change(room, &event, rev, &wish, by(&actor, given.reason.as_ref())).await)
}

/// A valve for which a reason is needed: it sends somebody away, or cannot be turned back.
async fn turn_because(
    room: &Room,
    wish: Change,
    who: (Operator, EventPath, IfMatch),
    given: Because,
) -> Response {
    let (Operator(actor), EventPath(event), IfMatch(rev)) = who;
    answer(room, change(room, &event, rev, &wish, by(&actor, Some(&given.reason))).await)
}

/// Opens the event now.
#[utoipa::path(post, path = "/event/adm/v1/open/event/{event}", request_body = MaybeBecause, params(("event" = String, Path),
    RevTold), responses((status = 200, body = ChangeShown, headers(("ETag" = String))), Turning))]
pub(crate) async fn open(
    State(room): State<Arc<Room>>,
    operator: Operator,
    event: EventPath,
    rev: IfMatch,
    Given(given): Given<MaybeBecause>,
) -> Response {
    turn(&room, Change::Open, (operator, event, rev), given).await
}

/// Closes the event now, for good: nobody can apply any more; who is in the line still gets their turn.
#[utoipa::path(post, path = "/event/adm/v1/close/event/{event}", request_body = Because, params(("event" = String, Path),
    RevTold), responses((status = 200, body = ChangeShown, headers(("ETag" = String))), Turning))]
pub(crate) async fn close(
    State(room): State<Arc<Room>>,
    operator: Operator,
    event: EventPath,
    rev: IfMatch,
    Given(given): Given<Because>,
) -> Response {
    turn_because(&room, Change::Close, (operator, event, rev), given).await
}

/// Settles a closed event: when no order is under way any more, whoever still waits is told that it is sold out.
#[utoipa::path(post, path = "/event/adm/v1/settle/event/{event}", request_body = Because, params(("event" = String, Path),
    RevTold), responses((status = 200, body = ChangeShown, headers(("ETag" = String))), Turning))]
pub(crate) async fn settle(
    State(room): State<Arc<Room>>,
    operator: Operator,
    event: EventPath,
    rev: IfMatch,
    Given(given): Given<Because>,
) -> Response {
    turn_because(&room, Change::Settle, (operator, event, rev), given).await
}

/// Starts no order call any more; those under way finish. People may go on applying.
#[utoipa::path(post, path = "/gate/adm/v1/pause/release/{event}", request_body = MaybeBecause, params(("event" = String, Path),
    RevTold), responses((status = 200, body = ChangeShown, headers(("ETag" = String))), Turning))]
pub(crate) async fn pause(
    State(room): State<Arc<Room>>,
    operator: Operator,
    event: EventPath,
    rev: IfMatch,
    Given(given): Given<MaybeBecause>,
) -> Response {
    turn(&room, Change::Pause, (operator, event, rev), given).await
}

/// Moves people and makes orders again, at the pace and without a burst.
#[utoipa::path(post, path = "/gate/adm/v1/resume/release/{event}", request_body = MaybeBecause, params(("event" = String, Path),
    RevTold), responses((status = 200, body = ChangeShown, headers(("ETag" = String))), Turning))]
pub(crate) async fn resume(
    State(room): State<Arc<Room>>,
    operator: Operator,
    event: EventPath,
    rev: IfMatch,
    Given(given): Given<MaybeBecause>,
) -> Response {
    turn(&room, Change::Resume, (operator, event, rev), given).await
}

/// Moves nobody any more; the orders of those who were moved are made.
#[utoipa::path(post, path = "/gate/adm/v1/drain/release/{event}", request_body = Because, params(("event" = String, Path),
    RevTold), responses((status = 200, body = ChangeShown, headers(("ETag" = String))), Turning))]
pub(crate) async fn drain(
    State(room): State<Arc<Room>>,
    operator: Operator,
    event: EventPath,
    rev: IfMatch,
    Given(given): Given<Because>,
) -> Response {
    turn_because(&room, Change::Drain, (operator, event, rev), given).await
}

/// Moves on without waiting for those whom the line forgot; they may be passed over.
#[utoipa::path(post, path = "/gate/adm/v1/accept/recovery/{event}", request_body = Because, params(("event" = String, Path),
    RevTold), responses((status = 200, body = ChangeShown, headers(("ETag" = String))), Turning))]
pub(crate) async fn accept(
    State(room): State<Arc<Room>>,
    operator: Operator,
    event: EventPath,
    rev: IfMatch,
    Given(given): Given<Because>,
) -> Response {
    turn_because(&room, Change::AcceptRecovery, (operator, event, rev), given).await
}

/// Moves people again after an operator looked at why the event is frozen.
#[utoipa::path(post, path = "/gate/adm/v1/unfreeze/event/{event}", request_body = Because, params(("event" = String, Path),
    RevTold), responses((status = 200, body = ChangeShown, headers(("ETag" = String))), Turning))]
pub(crate) async fn unfreeze(
    State(room): State<Arc<Room>>,
    operator: Operator,
    event: EventPath,
    rev: IfMatch,
    Given(given): Given<Because>,
) -> Response {
    turn_because(&room, Change::Unfreeze, (operator, event, rev), given).await
}
