//! The applicant's journey in a real browser, before a whole running system. Screenshots land in target/screens.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod behaviour;
mod confirming;
mod going_to_shop;
mod journey;
mod stage;
mod whole;
