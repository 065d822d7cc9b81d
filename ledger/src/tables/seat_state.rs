//! The states of a seat, and how many seats are in each.

use std::str::FromStr;

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
