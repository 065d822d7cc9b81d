//! The command line.

use std::process::ExitCode;

use clap::Parser;
use firstcome::command::{Cli, run};

fn main() -> ExitCode {
    run(Cli::parse())
}
