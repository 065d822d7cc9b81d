//! Durable applications per second over HTTP, compared with a bare axum POST that has the same accept loop, extractor, threads and
//! generator; and, with `--polls`, polls per second. Run it with `cargo xtask bench signup` or `polls`. The server is a child process with one thread; the generator is this process.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark stops at the first error and prints its results"
)]

mod generator;
mod polls;
mod servers;

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use testkit::bench::Measurement;

use crate::servers::{Server, ServerKind};

/// The allocator of the released program, for both servers.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Rounds for each server, in turn, so that a change in the machine's speed affects both.
pub(crate) const ROUNDS: usize = 5;
pub(crate) const ROUND: Duration = Duration::from_secs(4);
/// Clients with one connection each: as many as the default of `apply_calls_max`. With half as many, at times all of them wait for
/// Redis, and the server is not the bottleneck.
const CLIENTS: u32 = 2000;
/// The lowest accepted ratios to the bare axum server.
const RATIO_MIN: f64 = 0.63;
const JOURNAL_RATIO_MIN: f64 = 0.5;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("serve") => servers::serve(&args[1..]),
        Some(out) if args.get(1).is_some_and(|arg| arg == "--polls") => polls::measure(Path::new(out)),
        Some(out) => measure(Path::new(out)),
        None => println!("usage: bench_signup FILE [--polls], or `cargo xtask bench signup | polls`"),
    }
}

fn measure(out: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let [bare, signup, journal] = runtime.block_on(async {
        let (redis, for_journal) = (servers::Redis::start().await, servers::Redis::start().await);
        let servers = [
            Server::start(ServerKind::Bare, &redis).await,
            Server::start(ServerKind::Signup, &redis).await,
            Server::start(ServerKind::Journal, &for_journal).await,
        ];
        let mut rounds = [const { Vec::new() }; 3];
        for index in 0..ROUNDS {
            for (server, rounds) in servers.iter().zip(&mut rounds) {
                rounds.push(measure_round(server, index).await);
            }
        }
        rounds.map(|rounds| Measurement::median(&rounds))
    });
    println!("bare     {bare}\nsignup   {signup}\njournal  {journal}");
    let names =
        [("durable applications per second", Some(RATIO_MIN)), ("CPU of the server per application", None)];
    let with_journal = [
        ("the same with a journal", Some(JOURNAL_RATIO_MIN)),
        ("CPU of the server per application, with a journal", None),
    ];
    let peer = "bare axum POST";
    let rows =
        [signup.compared_with(peer, bare, names), journal.compared_with(peer, bare, with_journal)].concat();
    write_rows(out, &rows);
}

/// Prints the results and writes them to a file.
pub(crate) fn write_rows(out: &Path, rows: &[Value]) {
    for row in rows {
        println!("{}: ratio {} against {} (bar {})", row["name"], row["ratio"], row["peer"], row["bar"]);
    }
    std::fs::create_dir_all(out.parent().unwrap()).unwrap();
    std::fs::write(out, serde_json::to_string_pretty(rows).unwrap()).unwrap();
}

async fn measure_round(server: &Server, index: usize) -> Measurement {
    let before = server.cpu();
    let event = servers::event_of(index).into();
    let (responses, elapsed) = generator::count_responses(server.address, CLIENTS, ROUND, event).await;
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let responses = responses as f64;
    Measurement::of(responses, elapsed, server.cpu().saturating_sub(before))
}
