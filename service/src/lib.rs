//! What every process needs: config, telemetry, tasks, health, the HTTP server, clock and random source. A library that uses no other
//! crate of the workspace.

pub mod admin;
pub mod attempt_limiter;
pub mod clock;
pub mod config;
pub mod context;
pub mod entropy;
pub mod health;
pub mod http;
pub mod language;
mod lazy;
pub mod openapi;
pub mod problem;
pub mod tasks;
pub mod telemetry;
pub mod trace;
pub mod watched_file;

pub use attempt_limiter::AttemptLimiter;
pub use clock::Now;
pub use config::Settings;
pub use context::Context;
pub use entropy::Rng;
pub use health::Health;
pub use language::Language;
pub use lazy::{LazyTimer, LazyWake};
pub use problem::Problem;
pub use tasks::Tasks;
