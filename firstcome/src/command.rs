//! The commands: what each takes, and how it ends. Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 3 not found,
//! 4 not allowed, 5 conflict, 7 unavailable, 9 verify found violations.

mod announcement;
mod application;
mod audit;
mod capacity;
mod client;
mod config;
mod demo;
mod doctor;
mod event;
mod keys;
mod migrate;
mod pace;
mod release;
mod serve;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::output::complain;
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
    /// Makes or updates the ledger's tables and the queue's functions on their servers. Safe to repeat.
    Migrate(Migrate),
    /// Makes, shows and changes events, by the operator console.
    Event(event::Event),
    /// Pauses and resumes the making of orders, by the operator console.
    Release(release::Release),
    /// Shows and sets how fast orders are made, by the operator console.
    Pace(pace::Pace),
    /// Sets how many seats an event has, by the operator console.
    Capacity(capacity::Capacity),
    /// Sets what an event's page tells the applicants, by the operator console.
    Announcement(announcement::Announcement),
    /// Shows who changed what, by the operator console.
    Audit(audit::Audit),
    /// Shows and ends parked applications, by the operator console.
    Application(application::Application),
    /// Makes the key file that all processes share, and tokens for the operator console.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Checks the promises over queue and ledger: I1 to I9. Reads only.
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
    /// Where queue, ledger and keys are kept.
    #[arg(long, default_value = "data")]
    data: PathBuf,
    /// Where the gateway stands, with the shop and the event's page behind it; a free port is taken if this one is busy.
    #[arg(long, default_value = "127.0.0.1:8000")]
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
    /// Also makes the ledger's roles and grants each what it needs; the address must be that of somebody who may.
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
    /// Makes a token for the operator console and shows it once, with the lines for the settings file.
    Token {
        /// Whose it is; stands in the audit.
        #[arg(value_parser = token_name)]
        name: String,
        /// What it lets them do: viewer looks, operator also changes.
        #[arg(long, default_value = "operator")]
        role: operator::Role,
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
    /// Receipts that applicants hold, one a queue: makes I1 and I3 complete.
    #[arg(long, value_name = "FILE")]
    acks: Option<PathBuf>,
    /// The live orders of the order service, one `event:key order-number` a queue: makes I7 complete. The embedded one is read anyway.
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

fn token_name(text: &str) -> Result<String, String> {
    let fits = (1..=40).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if fits { Ok(text.to_owned()) } else { Err("a name has 1 to 40 characters".into()) }
}

/// How a command ended, if not well.
enum Failed {
    /// It could not do its work.
    Work(anyhow::Error),
    /// The settings are wrong.
    Settings(service::config::Mistakes),
    /// A promise is broken.
    Violations,
    /// The operator console said no, or nothing; or the command was used wrongly.
    Refused {
        /// How the program exits.
        code: u8,
        /// What to tell.
        said: String,
    },
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
            Command::Event(args) => event::event(args).await,
            Command::Release(args) => release::release(args).await,
            Command::Pace(args) => pace::pace(args).await,
            Command::Capacity(args) => capacity::capacity(args).await,
            Command::Announcement(args) => announcement::announcement(args).await,
            Command::Audit(args) => audit::audit(args).await,
            Command::Application(args) => application::application(args).await,
            Command::Keys(KeysCommand::Make { file }) => keys::make(&file),
            Command::Keys(KeysCommand::Token { name, role }) => {
                keys::token(&name, role);
                Ok(())
            }
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
        Err(Failed::Refused { code, said }) => {
            complain(format!("firstcome: {said}"));
            ExitCode::from(code)
        }
    }
}
