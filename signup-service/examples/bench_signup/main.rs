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

use testkit::bench::Measurement;

use crate::servers::{Kind, Server};

/// As in the program, for both servers alike.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Rounds of each kind, taken in turn, so that a machine that drifts hurts both alike.
pub(crate) const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(4);
/// Clients with one connection each: as many as a signup service lets wait. With half of them all are at times waiting for Redis, and the
/// server is not what is measured.
const CLIENTS: u32 = 2000;
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
        let (mut of_bare, mut of_durable) = (Vec::new(), Vec::new());
        for at in 0..ROUNDS {
            for (server, found) in [(&bare, &mut of_bare), (&durable, &mut of_durable)] {
                found.push(round(server, at).await);
            }
        }
        (Measurement::median(&of_bare), Measurement::median(&of_durable))
    });
    println!("durable  {durable}");
    println!("bare     {bare}");
    let rows = durable.compared_with(
        "bare axum POST",
        bare,
        [("durable applications per second", Some(BAR)), ("CPU of the server per application", None)],
    );
    for row in &rows {
        println!("{}: ratio {} against {} (bar {})", row["name"], row["ratio"], row["peer"], row["bar"]);
    }
    std::fs::create_dir_all(out.parent().unwrap()).unwrap();
    std::fs::write(out, serde_json::to_string_pretty(&rows).unwrap()).unwrap();
}

async fn round(server: &Server, at: usize) -> Measurement {
    let before = server.cpu();
    let event = servers::event_of(at).into();
    let (answers, took) = generator::answers(server.address, CLIENTS, ROUND, event).await;
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let answers = answers as f64;
    Measurement::of(answers, took, server.cpu().saturating_sub(before))
}
