//! The commands. Exit codes: 0 success, 1 failure, 2 wrong usage or settings, 3 not found, 4 not allowed, 5 conflict,
//! 7 unavailable, 9 `verify` found violations.

mod config;
mod demo;
mod doctor;
mod error;
mod journal;
mod keys;
mod migrate;
mod operator;
mod reload;
mod serve;
mod settings;
mod shell;
mod verify;

use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::output::print_error;
use error::CommandError;

/// First come, first served: a durable queue in front of your order service.
#[derive(Debug, Parser)]
#[command(name = "firstcome", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs a complete demo: one event with 100 seats that opens in 10 seconds, and simulated applicants.
    Demo(demo::DemoArgs),
    /// Runs the program with the given settings: all parts in one process, or a single role.
    Serve(settings::RoleArgs),
    /// Creates or updates the tables of the ledger and the functions of the queue on their servers. Safe to repeat.
    Migrate(migrate::MigrateArgs),
    #[command(flatten)]
    Operator(operator::OperatorCommand),
    /// Creates the key file that the processes share, and tokens for the operator API.
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Checks the promises I1 to I9 over queue and ledger. Changes nothing.
    Verify(verify::VerifyArgs),
    /// Reads the journal of a signup service, also while it runs. Changes nothing.
    Journal(journal::JournalArgs),
    /// Checks a service of your shop that Firstcome depends on.
    #[command(subcommand)]
    Doctor(doctor::DoctorCommand),
    /// Checks or prints the settings.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Prints the completions of a shell: `source <(firstcome completions bash)`.
    Completions(shell::CompletionsArgs),
    /// Writes the manual pages of all commands into a folder.
    Man(shell::ManArgs),
}

/// How long the end of the process waits for calls that block, such as a write of the access log to a pipe that is full.
const BLOCKED_CALLS_WAIT: Duration = Duration::from_secs(1);

/// Runs the command.
pub fn run(cli: Cli) -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            print_error(format!("firstcome: failed to start the async runtime: {error}"));
            return ExitCode::from(1);
        }
    };
    let result = runtime.block_on(execute(cli.command));
    runtime.shutdown_timeout(BLOCKED_CALLS_WAIT);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}

async fn execute(command: Command) -> Result<(), CommandError> {
    match command {
        Command::Demo(args) => demo::run(args).await,
        Command::Serve(args) => serve::run(&args).await,
        Command::Migrate(args) => migrate::run(&args).await,
        Command::Operator(command) => operator::run(command).await,
        Command::Keys(command) => keys::run(command),
        Command::Verify(args) => verify::run(args).await,
        Command::Journal(args) => journal::run(&args),
        Command::Doctor(command) => doctor::run(command).await,
        Command::Config(command) => config::run(&command),
        Command::Completions(args) => shell::completions(&args, Cli::command()),
        Command::Man(args) => shell::man(&args, Cli::command()),
    }
}
