//! Whole-system tests: everything that production starts, over HTTP, judged by `verify`.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]
#![expect(clippy::print_stdout, reason = "the figures of a run are worth reading")]

mod chaos;
mod cluster;
mod confirm;
mod crowd;
mod gateway;
mod harness;
mod journal;
mod killed;
mod older_ledger;
mod operator_process;
mod pace;
mod passes;
mod processes;
mod production;
mod spike;
mod webhooks;
