//! Durable applications per second over HTTP, beside a bare axum POST with the same accept loop, extractor, threads and generator.
//! Run it by `cargo xtask bench signup`. The server is a child process with one thread; the generator is this one.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench stops at the first surprise, and prints"
)]

mod generator;
mod servers;

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::servers::{Kind, Server};

/// As in the program, for both servers alike.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Rounds of each kind, taken in turn, so that a machine that drifts hurts both alike.
pub(crate) const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(4);
/// Clients with one connection each: as many as a desk lets wait. With half of them all are at times waiting for Redis, and the
/// server is not what is measured.
const CLIENTS: u32 = 2000;
/// Below this part of its core, the server was not what limited the rate.
const BUSY_MIN: f64 = 0.9;
/// design.md 7: first bar of a plain spike.
const BAR: f64 = 0.63;

/// What a round found.
#[derive(Clone, Copy)]
struct Found {
    /// Answers a second.
    rate: f64,
    /// Microseconds of the server's CPU for each.
    cpu_us: f64,
    /// How much of its core the server used.
    busy: f64,
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("serve") => servers::serve(&args[1..]),
        Some(out) => measure(Path::new(out)),
        None => println!("name the file to write, or run `cargo xtask bench signup`"),
    }
}

fn measure(out: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (bare, durable) = runtime.block_on(async {
        let redis = servers::Redis::start().await;
        let (bare, durable) =
            (Server::start(Kind::Bare, &redis).await, Server::start(Kind::Durable, &redis).await);
        let (mut of_bare, mut of_durable) = (Vec::new(), Vec::new());
        for at in 0..ROUNDS {
            for (server, found) in [(&bare, &mut of_bare), (&durable, &mut of_durable)] {
                found.push(round(server, at).await);
            }
        }
        (median(of_bare), median(of_durable))
    });
    report("durable", durable);
    report("bare", bare);
    let valid = durable.busy >= BUSY_MIN && bare.busy >= BUSY_MIN;
    let rows = [
        row("durable applications per second", "1/s", (durable.rate, bare.rate), Some(BAR), valid),
        row("CPU of the server per application", "us", (durable.cpu_us, bare.cpu_us), None, true),
    ];
    for row in &rows {
        println!("{}: ratio {} against {} (bar {})", row["name"], row["ratio"], row["peer"], row["bar"]);
    }
    std::fs::create_dir_all(out.parent().unwrap()).unwrap();
    std::fs::write(out, serde_json::to_string_pretty(&rows).unwrap()).unwrap();
}

async fn round(server: &Server, at: usize) -> Found {
    let before = server.cpu();
    let event = servers::event_of(at).into();
    let (answers, took) = generator::answers(server.address, CLIENTS, ROUND, event).await;
    let cpu = server.cpu().saturating_sub(before).as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let answers = answers as f64;
    Found { rate: answers / took.as_secs_f64(), cpu_us: cpu * 1e6 / answers, busy: cpu / took.as_secs_f64() }
}

fn report(name: &str, found: Found) {
    let Found { rate, cpu_us, busy } = found;
    let void = if busy < BUSY_MIN { ", VOID: it was not the bottleneck" } else { "" };
    println!(
        "{name:<8} {rate:>8.0}/s  {cpu_us:>5.1} us of CPU each  {:>4.0} % of its core{void}",
        busy * 100.0
    );
}

/// Ours beside the peer's. More is better in `ratio`, for the CPU time too.
fn row(name: &str, unit: &str, (ours, peers): (f64, f64), bar: Option<f64>, valid: bool) -> Value {
    let ratio = if unit == "us" { peers / ours } else { ours / peers };
    json!({
        "name": name, "value": tenths(ours), "unit": unit, "peer": "bare axum POST", "peer_value": tenths(peers),
        "ratio": (ratio * 100.0).round() / 100.0, "bar": bar.map(|bar| format!(">= {bar}")),
        "holds": valid && bar.is_none_or(|bar| ratio >= bar), "void": !valid,
    })
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn median(mut rounds: Vec<Found>) -> Found {
    rounds.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    rounds[rounds.len() / 2]
}
