//! Rows of the table `seat`.

use domain::{AppKey, EventId};

use crate::store::column::{int, maybe_parsed, parsed};
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::tables::seat_state::SeatState;

/// A seat in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatRow {
    /// The number of the seat, from 1.
    pub n: i64,
    /// The state.
    pub state: SeatState,
    /// The application that has the seat.
    pub app_key: Option<AppKey>,
}

impl Ledger {
    /// Returns all seats of an event, in order.
    pub async fn seat_rows(&self, event: &EventId) -> Result<Vec<SeatRow>, Error> {
        let rows = sqlx::query("SELECT n, state, app_key FROM seat WHERE event = $1 ORDER BY n")
            .bind(event.as_str())
            .fetch_all(self.reader())
            .await?;
        rows.iter()
            .map(|row| {
                let app_key = maybe_parsed(row, "app_key")?;
                Ok(SeatRow { n: int(row, "n")?, state: parsed(row, "state")?, app_key })
            })
            .collect()
    }
}
