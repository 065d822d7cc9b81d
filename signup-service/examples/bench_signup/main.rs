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

use serde_json::json;

use crate::servers::{Kind, Server};

/// As in the program, for both servers alike.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Rounds of each kind, taken in turn, so that a machine that drifts hurts both alike.
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(4);
/// Clients with one connection each.
const CLIENTS: u32 = 1024;
/// design.md 7: first bar of a plain spike.
const BAR: f64 = 0.63;

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
        let (mut bare_rates, mut durable_rates) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            for (server, rates) in [(&bare, &mut bare_rates), (&durable, &mut durable_rates)] {
                rates.push(generator::rate(server.address, CLIENTS, ROUND, round).await);
            }
        }
        (median(bare_rates), median(durable_rates))
    });
    let ratio = durable / bare;
    println!(
        "signup: {durable:.0} durable applications/s, bare axum POST {bare:.0}/s, ratio {ratio:.2} (bar {BAR})"
    );
    let line = json!([{
        "name": "durable applications per second", "value": durable.round(), "unit": "1/s", "peer": "bare axum POST",
        "peer_value": bare.round(), "ratio": (ratio * 100.0).round() / 100.0, "bar": format!(">= {BAR}"), "holds": ratio >= BAR,
    }]);
    std::fs::create_dir_all(out.parent().unwrap()).unwrap();
    std::fs::write(out, serde_json::to_string_pretty(&line).unwrap()).unwrap();
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
