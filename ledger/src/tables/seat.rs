//! Rows of the table `seat`.

use std::str::FromStr;

use domain::{AppKey, EventId};

use crate::store::column::{int, maybe_parsed, parsed};
use crate::store::error::Error;
use crate::store::ledger::Ledger;

/// The state of a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeatState {
    /// No application has it.
    Free,
    /// Its application has an order under way, or is parked.
    Held,
    /// Its application is ordered.
    Sold,
}

impl SeatState {
    /// The name that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Held => "held",
            Self::Sold => "sold",
        }
    }
}

impl FromStr for SeatState {
    type Err = ();
    fn from_str(name: &str) -> Result<Self, ()> {
        [Self::Free, Self::Held, Self::Sold].into_iter().find(|state| state.as_str() == name).ok_or(())
    }
}

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

/// The number of seats in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seats {
    /// Seats of no application.
    pub free: u32,
    /// Seats whose order is under way or parked.
    pub held: u32,
    /// Seats of ordered applications.
    pub sold: u32,
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
