//! The writes that take an application to its next state.

use domain::{Millis, Outcome, Undo};

use crate::store::error::Error;
use crate::store::transaction::Tx;
use crate::tables::application::{ApplicationRow, undo_name};
use crate::tables::outbox::{self, DomainEvent};
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
    let domain_event = DomainEvent::outcome(&row.event, row.app_key, row.number, outcome, order_no);
    outbox::post(tx, &domain_event, now).await
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

/// Starts undoing the order at the order service. The fence rises, so a dispatcher that is just ordering can no longer record its
/// response; the tombstone ends whatever order it created.
pub(crate) async fn start_undoing(tx: &mut Tx, row: &ApplicationRow, undo: Undo) -> Result<(), Error> {
    sqlx::query(
        "UPDATE application SET state = 'undoing', undo = $3, fence = fence + 1, attempts = 0, lease_until = 0, next_try_at = 0
         WHERE event = $1 AND app_key = $2",
    )
    .bind(row.event.as_str()).bind(row.app_key.to_string()).bind(undo_name(undo))
    .execute(&mut **tx).await?;
    Ok(())
}

/// Has the order made that a called applicant confirmed.
pub(crate) async fn confirm(tx: &mut Tx, row: &ApplicationRow, now: Millis) -> Result<(), Error> {
    sqlx::query(
        "UPDATE application SET state = 'ordering', fence = fence + 1, attempts = 0, next_try_at = 0, projected_epoch = 0
         WHERE event = $1 AND app_key = $2",
    )
    .bind(row.event.as_str()).bind(row.app_key.to_string())
    .execute(&mut **tx).await?;
    outbox::post(tx, &DomainEvent::confirmed(row), now).await
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

/// Has a parked application ordered again.
pub(crate) async fn order_again(tx: &mut Tx, row: &ApplicationRow, attempts: u32) -> Result<(), Error> {
    sqlx::query(
        "UPDATE application SET state = 'ordering', undo = NULL, fence = fence + 1, attempts = $3, lease_until = 0, next_try_at = 0
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
    outbox::post(tx, &DomainEvent::parked(row), now).await
}
