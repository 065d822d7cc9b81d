//! Settings, tasks, and the HTTP server over raw sockets.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod admin;
mod bounds;
mod config;
mod harness;
mod life;
mod tasks;
mod tls;
