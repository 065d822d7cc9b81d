//! Load tests of a running system with Goose: a crowd of applicants, and shoppers that browse. The program does not link this
//! crate, and requests go only to the address that the caller names.

mod acknowledged;
mod attack;
mod crowd;
mod person;
mod report;
mod shopper;

pub use crowd::Spike;
pub use report::{CrowdOutcome, LoadReport, RequestStats};
pub use shopper::Browse;
