//! The commands: what each takes, and how it ends. Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 9 verify found violations.

mod config;
mod demo;
mod doctor;
mod keys;
mod migrate;
mod serve;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::said::complain;
use crate::setup::Role;

/// First come, first served: a durable line before your order service.
#[derive(Debug, Parser)]
#[command(name = "firstcome", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows the whole thing: one event with 100 seats that opens in 10 seconds, and a crowd that applies.
    Demo(Demo),
    /// Runs the program as the settings say: all parts in one process, or one role of its own.
    Serve(Serve),
    /// Makes or updates the book's tables and the line's functions on their servers. Safe to repeat.
    Migrate(Migrate),
    /// Makes the key file that all processes share.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Checks the promises over line and book: I1 to I9. Reads only.
    Verify(Verify),
    /// Checks a service of your shop that Firstcome depends on.
    #[command(subcommand)]
    Doctor(doctor::Doctor),
    /// Checks or prints the settings.
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Debug, Args)]
struct Demo {
    /// Forgets the data of an earlier demo first.
    #[arg(long)]
    fresh: bool,
    /// How many people the crowd has; 0 turns it off.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    crowd: u32,
    /// Where line, book and keys are kept.
    #[arg(long, default_value = "data")]
    data: PathBuf,
    /// Where the page is served; the next free port is taken if this one is busy.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: std::net::SocketAddr,
    /// Ends after so many seconds, instead of with Ctrl-C.
    #[arg(long)]
    seconds: Option<u64>,
}

#[derive(Debug, Args)]
struct SettingsArgs {
    /// The settings file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One setting, over file and environment: `--set signup.listen=0.0.0.0:80`. Repeat it for more.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
}

#[derive(Debug, Args)]
struct Serve {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Which parts run in this process.
    #[arg(long, value_enum, default_value = "all")]
    role: Role,
}

#[derive(Debug, Args)]
struct Migrate {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Also makes the book's roles and grants each what it needs; the address must be that of somebody who may.
    #[arg(long)]
    roles: bool,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Writes a new key into a file that is not there yet, readable by its owner only.
    Make {
        /// The file.
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Verify {
    #[command(flatten)]
    settings: SettingsArgs,
    /// The data folder, over the settings.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Only this event.
    #[arg(long)]
    event: Option<domain::EventId>,
    /// Receipts that applicants hold, one a line: makes I1 and I3 complete.
    #[arg(long, value_name = "FILE")]
    acks: Option<PathBuf>,
    /// The live orders of the order service, one `event:key order-number` a line: makes I7 complete. The embedded one is read anyway.
    #[arg(long, value_name = "FILE")]
    orders: Option<PathBuf>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Tells every mistake in the settings, or that there is none.
    Check(Serve),
    /// Prints every setting with its value and where it comes from. Secrets are not shown.
    Print(Serve),
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// How a command ended, if not well.
enum Failed {
    /// It could not do its work.
    Work(anyhow::Error),
    /// The settings are wrong.
    Settings(service::config::Mistakes),
    /// A promise is broken.
    Violations,
}

impl<E: Into<anyhow::Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::Work(error.into())
    }
}

/// Runs the command.
pub fn run(cli: Cli) -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(format!("firstcome: the runtime cannot start: {error}"));
            return ExitCode::from(1);
        }
    };
    let ended = runtime.block_on(async {
        match cli.command {
            Command::Demo(args) => demo::demo(args).await,
            Command::Serve(args) => serve::serve(&args).await,
            Command::Migrate(args) => migrate::migrate(&args).await,
            Command::Keys(KeysCommand::Make { file }) => keys::make(&file),
            Command::Verify(args) => verify::verify(args).await,
            Command::Doctor(args) => doctor::doctor(args).await,
            Command::Config(ConfigCommand::Check(args)) => config::check(&args),
            Command::Config(ConfigCommand::Print(args)) => config::print(&args),
        }
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed::Work(error)) => {
            complain(format!("firstcome: {error:#}"));
            ExitCode::from(1)
        }
        Err(Failed::Settings(mistakes)) => {
            complain(format!("firstcome: the settings are wrong:\n{mistakes}"));
            ExitCode::from(2)
        }
        Err(Failed::Violations) => ExitCode::from(9),
    }
}
