//! Whole-system tests: everything that production starts, over HTTP, judged by `verify`.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod crowd;
mod fleet;
mod house;
mod killed;
mod production;
mod spike;
