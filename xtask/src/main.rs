//! Developer commands: `cargo xtask --help`. Never part of the product.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command talks to its user")]

use std::process::ExitCode;

use crate::task::Task;

mod bench;
mod ci;
mod needs;
mod step;
mod task;
mod tests_run;

const HELP: &str = "\
Usage: cargo xtask <command>

Commands:
  test [--install] [filter..]  Run the tests, or those whose names contain a filter.
                               Says first what the machine lacks for them; --install
                               installs that (apt-get, through sudo unless root).
  ci                           Everything that must hold before a merge: format,
                               tests (with --install), lints, documentation, and
                               cargo deny if it is installed.
  bench queue [--long]          Measure the queue, in a release build; --long fills it
                               to 10 million instead of 1. Writes target/bench/queue.json.

Tests run under cargo-nextest if it is installed, else under cargo test.
Screenshots of the pages are written to target/screens.";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match Task::parse(&args) {
        Ok(Task::Help) => {
            println!("{HELP}");
            Ok(())
        }
        Ok(Task::Test { install, filters }) => tests_run::run(install, &filters),
        Ok(Task::Ci) => ci::run(),
        Ok(Task::Bench { name, long }) => bench::run(&name, long),
        Err(mistake) => Err(anyhow::anyhow!("{mistake}\n\n{HELP}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
