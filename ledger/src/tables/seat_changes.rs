//! The changes of the counters of free, held and sold seats in one transaction.

use std::collections::BTreeMap;

use domain::{EventId, Number};
use sqlx::AnyConnection;

use crate::store::error::Error;
use crate::tables::seat_state::SeatState;

/// The rows for responses to order calls. The number of the application chooses one.
const RESPONSE_SHARDS: u32 = 16;

/// The row that a transaction adds to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CounterShard(u32);

impl CounterShard {
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
pub(crate) struct SeatChanges(BTreeMap<(EventId, CounterShard), SeatDelta>);

impl SeatChanges {
    /// Records that so many seats are new in this state, or are no longer in it if `seats` is negative.
    pub(crate) fn add(&mut self, event: &EventId, shard: CounterShard, state: SeatState, seats: i64) {
        if seats != 0 {
            *self.0.entry((event.clone(), shard)).or_default().of(state) += seats;
        }
    }

    /// Records that a seat goes from one state to another.
    pub(crate) fn change(&mut self, event: &EventId, shard: CounterShard, from: SeatState, to: SeatState) {
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
