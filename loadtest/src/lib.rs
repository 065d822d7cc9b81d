//! Load against a running system, by Goose: a crowd that applies, shoppers that browse. Never linked into the program, and
//! sent only where its caller points it.

mod attack;
mod crowd;
mod ledger;
mod person;
mod report;
mod shopper;

pub use crowd::Spike;
pub use report::{Measure, Report};
pub use shopper::Browse;
