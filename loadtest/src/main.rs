//! The commands `loadtest spike` and `loadtest browse`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command prints its report")]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use loadtest::{Browse, LoadReport, Spike};

/// Load for rehearsing an event. Use it only against your own machines.
#[derive(Debug, Parser)]
#[command(name = "loadtest", version, arg_required_else_help = true)]
struct LoadtestCli {
    #[command(subcommand)]
    command: Scenario,
}

#[derive(Debug, Subcommand)]
enum Scenario {
    /// Simulates applicants for an event: each opens the page, applies until there is a number, and reads the progress.
    Spike {
        /// The address of the gateway, or of the signup service.
        #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000")]
        gateway: String,
        /// The event's id.
        #[arg(long)]
        event: String,
        /// The number of applicants, each with its own phone number.
        #[arg(long, default_value_t = 3000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        people: u32,
        /// The number of concurrent Goose users that simulate them. Against loopback each has its own source address in 127.0.0.0/8.
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=10_000))]
        users: u16,
        /// The number of the first applicant, so that a second crowd has other phone numbers.
        #[arg(long, default_value_t = 0)]
        first_person: u32,
        /// One applicant in this many opens the page; all others only apply, which costs the load generator less.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        page_every: u32,
        /// Writes the receipts of all numbers to this file, one per line, for `firstcome verify --acks`.
        #[arg(long, value_name = "FILE")]
        acks: Option<PathBuf>,
        /// Runs `firstcome verify --config FILE` afterwards.
        #[arg(long, value_name = "FILE")]
        verify: Option<PathBuf>,
        /// Prints the report as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Simulates regular shoppers that open the main page and products, and sometimes order.
    Browse {
        /// The public address of the shop.
        #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000")]
        gateway: String,
        /// The number of concurrent shoppers. Against loopback each has its own source address.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
        users: u16,
        /// The length of the run, in seconds.
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3600))]
        seconds: u16,
        /// A path of a product page. May be repeated.
        #[arg(long, value_name = "PATH", default_values_t = ["/products/1".to_owned(), "/products/2".to_owned()])]
        product: Vec<String>,
        /// Prints the report as JSON.
        #[arg(long)]
        json: bool,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(LoadtestCli::parse().command).await {
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
            print_report(&report, json)?;
            let verified = verify.map_or(Ok(true), |config| run_verify(&config, acks.as_deref()))?;
            Ok(report.passed() && verified)
        }
        Scenario::Browse { gateway, users, seconds, product, json } => {
            let seconds = Duration::from_secs(u64::from(seconds));
            let report = Browse { gateway, users, time: seconds, products: product }.run().await?;
            print_report(&report, json)?;
            Ok(report.passed())
        }
    }
}

fn print_report(report: &LoadReport, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(report)?);
    } else {
        print!("{report}");
    }
    Ok(())
}

/// Runs `firstcome verify`, from the folder of this program or from the search path. Returns whether it found no violation.
fn run_verify(config: &Path, acks: Option<&Path>) -> anyhow::Result<bool> {
    let sibling = std::env::current_exe()?.with_file_name("firstcome");
    let program = if sibling.exists() { sibling } else { "firstcome".into() };
    let mut command = Command::new(&program);
    command.args(["verify", "--config"]).arg(config);
    if let Some(acks) = acks {
        command.arg("--acks").arg(acks);
    }
    let status = command.status().with_context(|| format!("cannot run {}", program.display()))?;
    match status.code() {
        Some(0) => Ok(true),
        Some(9) => Ok(false),
        _ => bail!("`firstcome verify` failed"),
    }
}
