//! The counters of free, held and sold seats, kept by the transactions that change seats: counting a million rows takes too long.

use domain::EventId;
use sqlx::AnyConnection;

use crate::store::column::count;
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::tables::seat_state::Seats;

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
