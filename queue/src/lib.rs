//! The line: who applied, in which order, durably. One contract (`contract.rs`), one store so far (`sqlite.rs`).
//! The line owns numbers. It never decides an outcome: what it shows of settings and outcomes is the book's projection.

mod contract;
mod line;
mod sqlite;

pub use contract::{
    Applicant, Applied, Armed, Arming, Ask, AskKind, Closing, Entry, Figures, Head, LeadError, LineView,
    Mark, PlaceRow, Projection, Refused, Restored, Shown, Waiting,
};
pub use line::Line;
pub use sqlite::SqliteLine;
