//! The door beside nginx with `limit_req`, `HAProxy` with a rate table, and a bare hyper proxy: requests a second and CPU time per
//! request. Run it by `cargo xtask bench gateway`. The proxy has one core for itself; load (wrk) and backend (nginx) share
//! another. It needs Linux, two cores, and the packages nginx-light, haproxy and wrk.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench stops at the first surprise, and prints"
)]

mod proxies;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use proxies::{Backend, Kind, Proxy};
use serde_json::{Value, json};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Rounds of each kind, taken in turn, so that a machine that drifts hurts all alike.
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(4);
/// Connections of the load.
const CONNECTIONS: u32 = 64;
/// Below this part of its core, the proxy was not what limited the rate.
const BUSY_MIN: f64 = 0.9;
/// design.md 7.
const BAR: f64 = 0.8;

/// What a round found.
#[derive(Clone, Copy)]
struct Found {
    /// Requests a second.
    rate: f64,
    /// Microseconds of CPU for each.
    cpu_us: f64,
    /// How much of its core the proxy used.
    busy: f64,
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("serve") => proxies::serve(&args[1..]),
        Some(out) => measure(Path::new(out)),
        None => println!("name the file to write, or run `cargo xtask bench gateway`"),
    }
}

fn measure(out: &Path) {
    let backend = Backend::start();
    let proxies: Vec<Proxy> = Kind::ALL.iter().map(|kind| Proxy::start(*kind, &backend)).collect();
    let mut found = vec![Vec::new(); proxies.len()];
    for _ in 0..ROUNDS {
        for (proxy, found) in proxies.iter().zip(&mut found) {
            found.push(round(proxy));
        }
    }
    let medians: Vec<Found> = found.iter().map(|rounds| median(rounds)).collect();
    for (kind, one) in Kind::ALL.iter().zip(&medians) {
        let void = if one.busy < BUSY_MIN { ", VOID: it was not the bottleneck" } else { "" };
        println!(
            "{:<10} {:>8.0} requests/s  {:>6.1} us of CPU each  {:>4.0} % of its core{void}",
            kind.name(),
            one.rate,
            one.cpu_us,
            one.busy * 100.0
        );
    }
    let rows: Vec<Value> = Kind::ALL
        .iter()
        .zip(&medians)
        .skip(1)
        .flat_map(|(kind, peer)| rows(medians[0], *kind, *peer))
        .collect();
    for row in rows.iter().filter(|row| row["bar"].is_string()) {
        println!("{}: ratio {} against {} (bar {})", row["name"], row["ratio"], row["peer"], row["bar"]);
    }
    std::fs::create_dir_all(out.parent().unwrap()).unwrap();
    std::fs::write(out, serde_json::to_string_pretty(&rows).unwrap()).unwrap();
}

/// Ours beside one peer. More is better in `ratio`, for the CPU time too.
fn rows(ours: Found, kind: Kind, peer: Found) -> [Value; 2] {
    let row = |name: &str, unit: &str, value: f64, peer_value: f64, ratio: f64| {
        let bar = (kind == Kind::Nginx).then(|| format!(">= {BAR}"));
        let valid = ours.busy >= BUSY_MIN && peer.busy >= BUSY_MIN;
        json!({
            "name": name, "value": round_to(value), "unit": unit, "peer": kind.name(), "peer_value": round_to(peer_value),
            "ratio": (ratio * 100.0).round() / 100.0, "holds": bar.is_none() || (ratio >= BAR && valid), "bar": bar, "void": !valid,
        })
    };
    [
        row("proxied requests per second", "1/s", ours.rate, peer.rate, ours.rate / peer.rate),
        row("CPU per proxied request", "us", ours.cpu_us, peer.cpu_us, peer.cpu_us / ours.cpu_us),
    ]
}

fn round_to(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn round(proxy: &Proxy) -> Found {
    let before = proxy.cpu();
    let load = Command::new("taskset")
        .args(["-c", "1", "wrk", "-t1", &format!("-c{CONNECTIONS}"), &format!("-d{}s", ROUND.as_secs())])
        .arg(format!("http://127.0.0.1:{}/products/7", proxy.port))
        .output()
        .unwrap();
    let cpu = proxy.cpu().saturating_sub(before);
    let said = String::from_utf8(load.stdout).unwrap();
    assert!(
        load.status.success() && !said.contains("Non-2xx") && !said.contains("Socket errors"),
        "{}: {said}",
        proxy.kind.name()
    );
    let number =
        |after: &str| said.split(after).nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let rate: f64 = number("Requests/sec:").parse().unwrap();
    let answers: f64 =
        said.split(" requests in ").next().unwrap().split_whitespace().last().unwrap().parse().unwrap();
    Found { rate, cpu_us: cpu.as_secs_f64() * 1e6 / answers, busy: cpu.as_secs_f64() / ROUND.as_secs_f64() }
}

fn median(rounds: &[Found]) -> Found {
    let mut sorted = rounds.to_vec();
    sorted.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    sorted[sorted.len() / 2]
}
