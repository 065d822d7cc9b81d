//! Developer commands: `cargo xtask --help`. Never part of the product.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command talks to its user")]

use std::process::ExitCode;

use clap::Parser;

use crate::task::{CommandLine, Task};

mod bench;
mod ci;
mod needs;
mod step;
mod task;
mod tests_run;

fn main() -> ExitCode {
    let done = match CommandLine::parse().task {
        Task::Test { install, filters } => tests_run::run(install, &filters),
        Task::Ci => ci::run(),
        Task::Bench { bench } => bench::run(bench),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
