//! Commands for developers: `cargo xtask --help`. Not part of the product.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command prints to its terminal")]

use std::process::ExitCode;

use clap::Parser;

use crate::task::{CommandLine, Task};

mod bench;
mod chaos;
mod ci;
mod model;
mod requirements;
mod step;
mod task;
mod tests_run;

fn main() -> ExitCode {
    let result = match CommandLine::parse().task {
        Task::Test { install, filters } => tests_run::run(install, &filters),
        Task::Ci => ci::run(),
        Task::Bench { bench } => bench::run(bench),
        Task::Chaos(args) => chaos::run(&args),
        Task::Model => model::run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
