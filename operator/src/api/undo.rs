//! Undoing a change: the fields that it changed get their former values, if nothing was changed since.

use std::sync::Arc;

use axum::extract::State;
use domain::{EventId, Millis};
use ledger::{AuditAction, AuditRow, Change, ChangedBy};

use super::change::apply;
use crate::auth::Operator;
use crate::error::Error;
use crate::error_docs::UndoRoute;
use crate::request::{JsonBody, OptionalReason, RevisionPath, audited_by};
use crate::response::ChangeResponse;
use crate::state::OperatorState;

/// How long a change can be undone.
pub(crate) const UNDO_MS: Millis = 5 * 60_000;
/// A change that can be undone is among the newest: those after it that raise no rev decide about parked applications.
const ROWS_MAX: u32 = 200;

/// Undoes a change of the last five minutes, if it is the event's last one: its fields get the values that they had before. A change that
/// turned applicants away or ended something cannot be undone.
#[utoipa::path(post, path = "/audit/adm/v1/undo/change/{event}/{rev}", request_body = OptionalReason,
    params(("event" = String, Path), ("rev" = i64, Path)),
    responses((status = 200, body = ChangeResponse, headers(("ETag" = String))), UndoRoute))]
pub(crate) async fn undo(
    State(state): State<Arc<OperatorState>>,
    Operator(actor): Operator,
    RevisionPath(event, rev): RevisionPath,
    JsonBody(body): JsonBody<OptionalReason>,
) -> Result<ChangeResponse, Error> {
    undo_change(&state, &event, rev, audited_by(&actor, body.reason.as_ref())).await
}

/// Undoes the change that raised the event to this rev.
pub(crate) async fn undo_change(
    state: &OperatorState,
    event: &EventId,
    rev: i64,
    by: ChangedBy<'_>,
) -> Result<ChangeResponse, Error> {
    state.event(event).await?;
    let rows = state.read(state.ledger.audit(Some(event), None, ROWS_MAX)).await?;
    let row =
        rows.into_iter().find(|row| row.rev == rev && raises_rev(row.action)).ok_or(Error::UnknownChange)?;
    if !is_undoable(row.action) {
        return Err(Error::NotUndoable);
    }
    if (state.now)() - row.at > UNDO_MS {
        return Err(Error::UndoTooLate);
    }
    let fields = row.before.as_object().cloned().unwrap_or_default();
    apply(state, event, Some(rev), &Change::Undo(fields), by).await
}

fn raises_rev(action: AuditAction) -> bool {
    !matches!(action, AuditAction::Retry | AuditAction::Reject | AuditAction::Replay)
}

/// Whether a change of this kind can be undone at all.
pub(crate) fn is_undoable(action: AuditAction) -> bool {
    matches!(
        action,
        AuditAction::Update
            | AuditAction::Pause
            | AuditAction::Resume
            | AuditAction::Drain
            | AuditAction::Pace
            | AuditAction::AutoPace
            | AuditAction::InFlightMax
            | AuditAction::Capacity
            | AuditAction::Announcement
            | AuditAction::Undo
    )
}

/// The rev of the event's last change, among these newest rows, that is not a step of the automatic pace. It can be undone.
pub(crate) fn last_changed_rev(rows: &[AuditRow]) -> i64 {
    let is_change = |row: &&AuditRow| raises_rev(row.action) && row.action != AuditAction::AdjustPace;
    rows.iter().find(is_change).map_or(0, |row| row.rev)
}

/// How long the change can still be undone, in milliseconds, as long as nothing else is changed; `None` if it cannot.
pub(crate) fn undo_left_ms(row: &AuditRow, last_changed_rev: i64, now: Millis) -> Option<Millis> {
    let left = row.at + UNDO_MS - now;
    (row.rev == last_changed_rev && is_undoable(row.action) && left > 0).then_some(left)
}
