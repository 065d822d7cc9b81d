//! The gateway beside nginx with `limit_req`, `HAProxy` with a rate table, and a bare hyper proxy: requests a second and CPU time per
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
use serde_json::Value;
use testkit::bench::Measurement;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Rounds of each kind, taken in turn, so that a machine that drifts hurts all alike.
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(4);
/// Connections of the load.
const CONNECTIONS: u32 = 64;
/// The lowest accepted ratio to nginx.
const RATIO_MIN: f64 = 0.8;

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
    let medians: Vec<Measurement> = found.iter().map(|rounds| Measurement::median(rounds)).collect();
    for (kind, one) in Kind::ALL.iter().zip(&medians) {
        println!("{:<10} {one}", kind.name());
    }
    let compared = |(kind, peer): (&Kind, &Measurement)| {
        let bar = (*kind == Kind::Nginx).then_some(RATIO_MIN);
        medians[0].compared_with(
            kind.name(),
            *peer,
            [("proxied requests per second", bar), ("CPU per proxied request", bar)],
        )
    };
    let rows: Vec<Value> = Kind::ALL.iter().zip(&medians).skip(1).flat_map(compared).collect();
    for row in rows.iter().filter(|row| row["bar"].is_string()) {
        println!("{}: ratio {} against {} (bar {})", row["name"], row["ratio"], row["peer"], row["bar"]);
    }
    std::fs::create_dir_all(out.parent().unwrap()).unwrap();
    std::fs::write(out, serde_json::to_string_pretty(&rows).unwrap()).unwrap();
}

fn round(proxy: &Proxy) -> Measurement {
    let before = proxy.cpu();
    let load = Command::new("taskset")
        .args(["-c", "1", "wrk", "-t1", &format!("-c{CONNECTIONS}"), &format!("-d{}s", ROUND.as_secs())])
        .arg(format!("http://127.0.0.1:{}/products/7", proxy.port))
        .output()
        .unwrap();
    let cpu = proxy.cpu().saturating_sub(before);
    let text = String::from_utf8(load.stdout).unwrap();
    assert!(
        load.status.success() && !text.contains("Non-2xx") && !text.contains("Socket errors"),
        "{}: {text}",
        proxy.kind.name()
    );
    let number =
        |after: &str| text.split(after).nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let rate: f64 = number("Requests/sec:").parse().unwrap();
    let answers: f64 =
        text.split(" requests in ").next().unwrap().split_whitespace().last().unwrap().parse().unwrap();
    Measurement {
        rate,
        cpu_us: cpu.as_secs_f64() * 1e6 / answers,
        busy: cpu.as_secs_f64() / ROUND.as_secs_f64(),
    }
}
