//! The contract of the queue: one suite over every store, a property test of each store against one small model, and the tests
//! of what only one store has.

#![expect(clippy::unwrap_used, reason = "in a test, unwrapping asserts")]

mod harness;
mod model;
mod redis;
mod sqlite;
mod steps;
mod suite;
