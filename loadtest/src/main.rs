//! `loadtest spike` and `loadtest browse`: the commands over the two scenarios.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command prints")]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use loadtest::{Browse, Report, Spike};

/// Load for rehearsing an event. Send it only at machines that are yours.
#[derive(Debug, Parser)]
#[command(name = "loadtest", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Scenario,
}

#[derive(Debug, Subcommand)]
enum Scenario {
    /// A crowd applies for an event: each person opens the page, presses until there is a number, and looks how it goes on.
    Spike {
        /// Where the crowd knocks: the gateway, or the signup service itself.
        #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000")]
        gateway: String,
        /// The event.
        #[arg(long)]
        event: String,
        /// How many people apply, each with a phone number of its own.
        #[arg(long, default_value_t = 3000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        people: u32,
        /// How many Goose users play them, each from its own address in 127.0.0.0/8 and one person after the other.
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=10_000))]
        users: u16,
        /// Added to every person's phone number, so that a second crowd is another one.
        #[arg(long, default_value_t = 0)]
        first_person: u32,
        /// Every so-manyth person opens the page first; all others only press, which costs the sender less.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        page_every: u32,
        /// Everybody who got a number leaves the receipt in this file, one a queue: what `firstcome verify --acks` reads.
        #[arg(long, value_name = "FILE")]
        acks: Option<PathBuf>,
        /// Afterwards, `firstcome verify --config FILE` checks the promises over the stores of that settings file.
        #[arg(long, value_name = "FILE")]
        verify: Option<PathBuf>,
        /// Prints the report as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Regular shoppers look at the main page and at products, and buy now and then.
    Browse {
        /// The shop's address as its customers know it.
        #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000")]
        gateway: String,
        /// How many shoppers are about, each from its own address.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
        users: u16,
        /// For how long.
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3600))]
        seconds: u16,
        /// The products that they look at.
        #[arg(long, value_name = "PATH", default_values_t = ["/products/1".to_owned(), "/products/2".to_owned()])]
        product: Vec<String>,
        /// Prints the report as JSON.
        #[arg(long)]
        json: bool,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse().command).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("loadtest: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn run(scenario: Scenario) -> anyhow::Result<bool> {
    match scenario {
        Scenario::Spike { gateway, event, people, users, first_person, page_every, acks, verify, json } => {
            let spike = Spike { gateway, event, people, users, first_person, page_every };
            let report = spike.run().await?;
            if let Some(file) = &acks {
                std::fs::write(file, report.acks())
                    .with_context(|| format!("cannot write {}", file.display()))?;
            }
            show(&report, json)?;
            let kept = verify.map_or(Ok(true), |config| verified(&config, acks.as_deref()))?;
            Ok(report.holds() && kept)
        }
        Scenario::Browse { gateway, users, seconds, product, json } => {
            let seconds = Duration::from_secs(u64::from(seconds));
            let report = Browse { gateway, users, time: seconds, products: product }.run().await?;
            show(&report, json)?;
            Ok(report.holds())
        }
    }
}

fn show(report: &Report, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(report)?);
    } else {
        print!("{report}");
    }
    Ok(())
}

/// The program is looked for beside this one, then in the path.
fn verified(config: &Path, acks: Option<&Path>) -> anyhow::Result<bool> {
    let beside = std::env::current_exe()?.with_file_name("firstcome");
    let program = if beside.exists() { beside } else { "firstcome".into() };
    let mut command = Command::new(&program);
    command.args(["verify", "--config"]).arg(config);
    if let Some(acks) = acks {
        command.arg("--acks").arg(acks);
    }
    let status = command.status().with_context(|| format!("cannot run {}", program.display()))?;
    match status.code() {
        Some(0) => Ok(true),
        Some(9) => Ok(false),
        _ => bail!("`firstcome verify` could not do its work"),
    }
}
