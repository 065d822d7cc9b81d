//! Whole-system tests: everything that production starts, over HTTP, judged by `verify`.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(clippy::print_stdout, reason = "the figures of a run are worth reading")]

mod crowd;
mod door;
mod fleet;
mod house;
mod killed;
mod pace;
mod production;
mod spike;
mod town;
