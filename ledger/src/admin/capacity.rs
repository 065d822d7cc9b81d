//! The seats of an event: as many rows as its capacity.

use domain::EventId;

use crate::admin::change_error::ChangeError;
use crate::store::column::count;
use crate::store::error::Error;
use crate::store::transaction::Tx;
use crate::tables::seat_changes::CounterShard;
use crate::tables::seat_count;
use crate::tables::seat_state::SeatState;

/// Seats added in one statement. A single statement for ten million seats would exceed the statement timeout.
const SEATS_PER_INSERT: u32 = 20_000;

/// Adds the seats `from` to `to`, both included.
pub(crate) async fn add_seats(tx: &mut Tx, event: &EventId, from: u32, to: u32) -> Result<(), Error> {
    for first in (from..=to).step_by(SEATS_PER_INSERT as usize) {
        let last = to.min(first.saturating_add(SEATS_PER_INSERT - 1));
        sqlx::query(
            "WITH RECURSIVE numbered (n) AS (SELECT CAST($2 AS BIGINT) UNION ALL SELECT n + 1 FROM numbered WHERE n < $3)
             INSERT INTO seat (event, n) SELECT $1, n FROM numbered",
        )
        .bind(event.as_str()).bind(i64::from(first)).bind(i64::from(last))
        .execute(&mut **tx).await?;
    }
    let added = i64::from(to) + 1 - i64::from(from);
    tx.seats.add(event, CounterShard::LOCKED_EVENT, SeatState::Free, added);
    Ok(())
}

/// Adds or deletes seats until there are `capacity`; the event is locked. Only a transaction that holds that lock assigns a free
/// seat or changes the number of seats; a held or sold seat may become free meanwhile.
pub(crate) async fn fit_seats(tx: &mut Tx, event: &EventId, capacity: u32) -> Result<(), ChangeError> {
    let counted = seat_count::read(tx, event).await?;
    let least = counted.held + counted.sold;
    let seats = counted.free + least;
    if capacity < least {
        return Err(ChangeError::TooSmall { least });
    }
    if capacity > seats {
        let last_seat = last_seat(tx, event).await?;
        add_seats(tx, event, last_seat + 1, last_seat + (capacity - seats)).await?;
    } else {
        delete_free_seats(tx, event, seats - capacity).await?;
    }
    Ok(check_seats(tx, event, capacity).await?)
}

async fn last_seat(tx: &mut Tx, event: &EventId) -> Result<u32, Error> {
    let row = sqlx::query("SELECT COALESCE(MAX(n), 0) AS last FROM seat WHERE event = $1")
        .bind(event.as_str())
        .fetch_one(&mut **tx)
        .await?;
    count(&row, "last")
}

/// Deletes `surplus` free seats, the last ones first. The numbers of the remaining seats may have gaps.
///
/// One statement does it, with one snapshot: with a statement that counts and another that deletes, a seat that became free between
/// the two was deleted as well. Postgres deletes a million seats in 0.7 s and ten million, the most, in 7 s; the statement timeout
/// is 10 s.
async fn delete_free_seats(tx: &mut Tx, event: &EventId, surplus: u32) -> Result<(), Error> {
    // The condition is a lower bound and not a list of seats: Postgres planned the list as nested loops until the statistics of the
    // seats were current.
    let deleted = sqlx::query(
        "DELETE FROM seat WHERE event = $1 AND state = 'free' AND n >= (
             SELECT MIN(n) FROM (SELECT n FROM seat WHERE event = $1 AND state = 'free' ORDER BY n DESC LIMIT $2) AS last_free)",
    )
    .bind(event.as_str())
    .bind(i64::from(surplus))
    .execute(&mut **tx)
    .await?
    .rows_affected();
    let deleted = i64::try_from(deleted).unwrap_or(i64::MAX);
    tx.seats.add(event, CounterShard::LOCKED_EVENT, SeatState::Free, -deleted);
    Ok(())
}

/// Fails unless the event has as many seats as its capacity says.
async fn check_seats(tx: &mut Tx, event: &EventId, capacity: u32) -> Result<(), Error> {
    let row = sqlx::query("SELECT COUNT(*) AS seats FROM seat WHERE event = $1")
        .bind(event.as_str())
        .fetch_one(&mut **tx)
        .await?;
    match count(&row, "seats")? {
        seats if seats == capacity => Ok(()),
        seats => Err(Error::Inconsistent(format!(
            "event {event} would have {seats} seats with a capacity of {capacity}"
        ))),
    }
}
