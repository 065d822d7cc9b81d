//! The counters of free, held and sold seats, kept in the transactions that change seats: counting a million rows takes too long.

use std::collections::BTreeMap;

use domain::{EventId, Number};
use sqlx::AnyConnection;

use crate::store::column::count;
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::tables::seat::{SeatState, Seats};

/// The rows for responses to order calls. The number of the application chooses one.
const RESPONSE_SHARDS: u32 = 16;

/// The row that a transaction adds to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Shard(u32);

impl Shard {
    /// The row of transactions that hold the event's lock: there is one at a time.
    pub(crate) const LOCKED_EVENT: Self = Self(0);

    /// The row of a transaction that ends this application.
    pub(crate) fn of(number: Number) -> Self {
        Self(1 + number.get() % RESPONSE_SHARDS)
    }
}

/// What a transaction adds to the counters of one row.
#[derive(Debug, Clone, Copy, Default)]
struct SeatDelta {
    free: i64,
    held: i64,
    sold: i64,
}

impl SeatDelta {
    fn of(&mut self, state: SeatState) -> &mut i64 {
        match state {
            SeatState::Free => &mut self.free,
            SeatState::Held => &mut self.held,
            SeatState::Sold => &mut self.sold,
        }
    }
}

/// The changes of seats in a transaction. They are written at its end and in order, so that the rows of counters are its last locks
/// and two transactions never wait for each other.
#[derive(Debug, Default)]
pub(crate) struct SeatChanges(BTreeMap<(EventId, Shard), SeatDelta>);

impl SeatChanges {
    /// Records that so many seats are new in this state, or are no longer in it if `seats` is negative.
    pub(crate) fn add(&mut self, event: &EventId, shard: Shard, state: SeatState, seats: i64) {
        *self.0.entry((event.clone(), shard)).or_default().of(state) += seats;
    }

    /// Records that a seat goes from one state to another.
    pub(crate) fn change(&mut self, event: &EventId, shard: Shard, from: SeatState, to: SeatState) {
        self.add(event, shard, from, -1);
        self.add(event, shard, to, 1);
    }

    /// Adds the changes to the counters.
    pub(crate) async fn write(&self, connection: &mut AnyConnection) -> Result<(), Error> {
        for ((event, shard), delta) in &self.0 {
            sqlx::query(
                "INSERT INTO seat_count (event, shard, free, held, sold) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (event, shard) DO UPDATE
                 SET free = seat_count.free + $3, held = seat_count.held + $4, sold = seat_count.sold + $5",
            )
            .bind(event.as_str())
            .bind(i64::from(shard.0))
            .bind(delta.free)
            .bind(delta.held)
            .bind(delta.sold)
            .execute(&mut *connection)
            .await?;
        }
        Ok(())
    }
}

impl Ledger {
    /// Returns the number of seats in each state.
    pub async fn seats(&self, event: &EventId) -> Result<Seats, Error> {
        let mut connection = self.reader().acquire().await?;
        read(&mut connection, event).await
    }
}

/// Reads the counters of an event, without the changes of the current transaction.
pub(crate) async fn read(connection: &mut AnyConnection, event: &EventId) -> Result<Seats, Error> {
    let row = sqlx::query(
        "SELECT CAST(COALESCE(SUM(free), 0) AS BIGINT) AS free, CAST(COALESCE(SUM(held), 0) AS BIGINT) AS held,
                CAST(COALESCE(SUM(sold), 0) AS BIGINT) AS sold
         FROM seat_count WHERE event = $1",
    )
    .bind(event.as_str()).fetch_one(connection).await?;
    Ok(Seats { free: count(&row, "free")?, held: count(&row, "held")?, sold: count(&row, "sold")? })
}
