//! The contract of the queue: one suite over every store, a property test against one small model, and what is
//! particular to a store.

#![expect(clippy::unwrap_used, reason = "in a test, unwrapping asserts")]

mod harness;
mod model;
mod redis;
mod sqlite;
mod steps;
mod suite;
