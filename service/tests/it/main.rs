//! The crate from outside: its settings, its tasks, and its HTTP server over raw sockets.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod admin;
mod bounds;
mod config;
mod harness;
mod life;
mod tasks;
