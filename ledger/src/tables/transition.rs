//! The writes that take an application to its next state.

use domain::{ApplicationState, DomainEventKind, Millis, Outcome, Undo};
use serde_json::{Value, json};

use crate::store::error::Error;
use crate::store::transaction::Tx;
use crate::tables::application::{ApplicationRow, UndoneBy, undo_name};
use crate::tables::outbox::{self, ApplicationFact};
use crate::tables::seat_changes::CounterShard;
use crate::tables::seat_state::SeatState;

/// Ends an application: outcome, seat and domain event together. An ordered application sells its seat, every other one frees it.
pub(crate) async fn end(
    tx: &mut Tx,
    row: &ApplicationRow,
    outcome: Outcome,
    order_no: Option<&str>,
    now: Millis,
) -> Result<(), Error> {
    sqlx::query(
        "UPDATE application SET state = 'ended', undo = NULL, outcome = $3, order_no = $4, seat = CASE WHEN $3 = 'ordered' THEN seat END,
             contact = CASE WHEN $3 = 'ordered' THEN contact ELSE '' END, fence = fence + 1, lease_until = 0, ended_at = $5, projected_epoch = 0
         WHERE event = $1 AND app_key = $2",
    )
    .bind(row.event.as_str()).bind(row.app_key.to_string()).bind(outcome.as_str()).bind(order_no).bind(now)
    .execute(&mut **tx).await?;
    end_seat(tx, row, outcome).await?;
    let Some(kind) = DomainEventKind::of_outcome(outcome) else { return Ok(()) };
    let order_no = order_no.or(row.order_no.as_deref());
    outbox::post(tx, &next_fact(row, kind, outcome_fields(outcome, row.undo_by, order_no, now)), now).await
}

/// A domain event of the decision that raises the application's fence next.
fn next_fact(row: &ApplicationRow, kind: DomainEventKind, fields: Value) -> ApplicationFact<'_> {
    let ApplicationRow { event, app_key, number, fence, .. } = row;
    ApplicationFact { event, app_key: *app_key, number: *number, version: fence + 1, kind, fields }
}

/// The fields of the domain event of an outcome.
pub(crate) fn outcome_fields(
    outcome: Outcome,
    by: Option<UndoneBy>,
    order_no: Option<&str>,
    now: Millis,
) -> Value {
    match outcome {
        Outcome::Ordered => json!({ "order_no": order_no, "ordered_at_ms": now }),
        Outcome::Cancelled => {
            json!({ "by": by.unwrap_or(UndoneBy::Applicant).as_str(), "order_no": order_no })
        }
        Outcome::Rejected => json!({ "reason": by.unwrap_or(UndoneBy::OrderService).as_str() }),
        Outcome::Expired | Outcome::SoldOut => json!({}),
    }
}

/// Sells or frees the seat of an application that ends.
async fn end_seat(tx: &mut Tx, row: &ApplicationRow, outcome: Outcome) -> Result<(), Error> {
    let Some(seat) = row.seat else { return Ok(()) };
    let is_sold = outcome == Outcome::Ordered;
    let state = if is_sold { SeatState::Sold } else { SeatState::Free };
    // The seat of an order that is being undone is still sold.
    let before = if row.outcome == Some(Outcome::Ordered) { SeatState::Sold } else { SeatState::Held };
    tx.seats.change(&row.event, CounterShard::of(row.number), before, state);
    sqlx::query("UPDATE seat SET state = $3, app_key = $4 WHERE event = $1 AND n = $2")
        .bind(row.event.as_str())
        .bind(seat)
        .bind(state.as_str())
        .bind(is_sold.then(|| row.app_key.to_string()))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Starts undoing the order at the order service, and posts the domain event of a new request to cancel. The fence rises, so a
/// dispatcher that is just ordering can no longer record its response; the tombstone ends whatever order it created.
pub(crate) async fn start_undoing(
    tx: &mut Tx,
    row: &ApplicationRow,
    undo: Undo,
    by: UndoneBy,
    now: Millis,
) -> Result<(), Error> {
    let is_repeated = matches!(
        row.state,
        ApplicationState::Undoing { undo: before, .. } | ApplicationState::Parked { undo: Some(before) } if before == undo
    );
    // An operator who continues the undoing did not decide it.
    let by = if is_repeated { row.undo_by.unwrap_or(by) } else { by };
    sqlx::query(
        "UPDATE application SET state = 'undoing', undo = $3, undo_by = $4, fence = fence + 1, attempts = 0, lease_until = 0, next_try_at = 0
         WHERE event = $1 AND app_key = $2",
    )
    .bind(row.event.as_str()).bind(row.app_key.to_string()).bind(undo_name(undo)).bind(by.as_str())
    .execute(&mut **tx).await?;
    if undo == Undo::Reject || is_repeated {
        return Ok(());
    }
    let fields = json!({ "by": by.as_str(), "order_no": row.order_no });
    outbox::post(tx, &next_fact(row, DomainEventKind::ApplicationCancelRequested, fields), now).await
}

/// Has the order made that a called applicant confirmed.
pub(crate) async fn confirm(tx: &mut Tx, row: &ApplicationRow, now: Millis) -> Result<(), Error> {
    sqlx::query(
        "UPDATE application SET state = 'ordering', fence = fence + 1, attempts = 0, next_try_at = 0, projected_epoch = 0
         WHERE event = $1 AND app_key = $2",
    )
    .bind(row.event.as_str()).bind(row.app_key.to_string())
    .execute(&mut **tx).await?;
    outbox::post(tx, &next_fact(row, DomainEventKind::ApplicationConfirmed, json!({})), now).await
}

/// Gives a called applicant time until `until`.
pub(crate) async fn extend(tx: &mut Tx, row: &ApplicationRow, until: Millis) -> Result<(), Error> {
    sqlx::query(
        "UPDATE application SET called_until = $3, extended = 1, fence = fence + 1, projected_epoch = 0 WHERE event = $1 AND app_key = $2",
    )
    .bind(row.event.as_str()).bind(row.app_key.to_string()).bind(until)
    .execute(&mut **tx).await?;
    Ok(())
}

/// Posts that the shop has to delete an order that it reported for an application without a seat. The application stays as it is.
pub(crate) async fn refuse_order(
    tx: &mut Tx,
    row: &ApplicationRow,
    order_no: &str,
    now: Millis,
) -> Result<(), Error> {
    sqlx::query("UPDATE application SET fence = fence + 1 WHERE event = $1 AND app_key = $2")
        .bind(row.event.as_str())
        .bind(row.app_key.to_string())
        .execute(&mut **tx)
        .await?;
    let fields = json!({ "order_no": order_no });
    outbox::post(tx, &next_fact(row, DomainEventKind::ApplicationOrderRefused, fields), now).await
}

/// Has a parked application ordered again.
pub(crate) async fn order_again(tx: &mut Tx, row: &ApplicationRow, attempts: u32) -> Result<(), Error> {
    sqlx::query(
        "UPDATE application SET state = 'ordering', undo = NULL, undo_by = NULL, fence = fence + 1, attempts = $3, lease_until = 0, next_try_at = 0
         WHERE event = $1 AND app_key = $2",
    )
    .bind(row.event.as_str()).bind(row.app_key.to_string()).bind(i64::from(attempts))
    .execute(&mut **tx).await?;
    Ok(())
}

/// Makes the application due for its next call at `next_try_at`.
pub(crate) async fn retry_at(tx: &mut Tx, row: &ApplicationRow, next_try_at: Millis) -> Result<(), Error> {
    sqlx::query(
        "UPDATE application SET fence = fence + 1, lease_until = 0, next_try_at = $3 WHERE event = $1 AND app_key = $2",
    )
    .bind(row.event.as_str()).bind(row.app_key.to_string()).bind(next_try_at)
    .execute(&mut **tx).await?;
    Ok(())
}

/// Parks the application with its seat, and posts the domain event.
pub(crate) async fn park(tx: &mut Tx, row: &ApplicationRow, now: Millis) -> Result<(), Error> {
    sqlx::query(
        "UPDATE application SET state = 'parked', fence = fence + 1, lease_until = 0 WHERE event = $1 AND app_key = $2",
    )
    .bind(row.event.as_str()).bind(row.app_key.to_string())
    .execute(&mut **tx).await?;
    let fields = json!({ "attempts": row.attempts });
    outbox::post(tx, &next_fact(row, DomainEventKind::ApplicationParked, fields), now).await
}
