//! The gateway before a backend that breaks down under load, beside no limiter, the gateway with one class for all requests, nginx with
//! `limit_conn`, and `HAProxy` with `maxconn` and a priority queue: goodput, orders, latency, and needless refusals. Run it by
//! `cargo xtask bench overload`. Load and backend run in this process; the backend sleeps, so that it limits the rate by itself and not
//! by the CPU. It needs Linux, two cores, and the packages nginx-light and haproxy.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench stops at the first surprise, and prints; its counts are far below 2^52"
)]

mod backend;
mod load;
mod peers;
mod report;

use std::path::Path;
use std::time::Duration;

use backend::{Backend, BackendKind};
use load::{Arrivals, LoadResult, Paths};
use peers::{Peer, PeerKind};
use report::{Cell, Table};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A response after this is of no use to the client.
const SLO: Duration = Duration::from_millis(500);
/// How much slower the backend becomes.
const SLOWDOWN: f64 = 3.0;
/// The offered load while the backend is slower, in peaks of the backend at its normal speed.
const SLOW_OFFERED: f64 = 2.0;
/// The time between two runs, in which the requests of the first end.
const PAUSE: Duration = Duration::from_millis(400);

/// What one run of the bench does.
#[derive(Debug, Clone, Copy)]
struct Plan {
    backend: BackendKind,
    peers: &'static [PeerKind],
    /// The offered load in peaks of the backend.
    offered: &'static [f64],
    run: Duration,
    /// The part of a run that is not measured.
    warm_up: Duration,
    slow_run: Duration,
    /// How long each concurrency is tried to find the peak.
    peak_round: Duration,
}

const FULL: [Plan; 2] = [
    Plan {
        backend: BackendKind::Contended,
        peers: &PeerKind::ALL,
        offered: &[0.5, 0.8, 1.0, 2.0, 5.0, 10.0],
        run: Duration::from_secs(5),
        warm_up: Duration::from_secs(1),
        slow_run: Duration::from_secs(9),
        peak_round: Duration::from_secs(2),
    },
    Plan {
        backend: BackendKind::Pool,
        peers: &[PeerKind::Gateway, PeerKind::OneClass, PeerKind::None],
        offered: &[0.5, 2.0, 10.0],
        run: Duration::from_secs(5),
        warm_up: Duration::from_secs(1),
        slow_run: Duration::from_secs(8),
        peak_round: Duration::from_secs(2),
    },
];

const QUICK: [Plan; 1] = [Plan {
    backend: BackendKind::Contended,
    peers: &[PeerKind::Gateway, PeerKind::OneClass, PeerKind::Nginx],
    offered: &[0.5, 0.8, 10.0],
    run: Duration::from_millis(3500),
    warm_up: Duration::from_secs(1),
    slow_run: Duration::from_secs(7),
    peak_round: Duration::from_millis(1500),
}];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|arg| arg == "serve") {
        return peers::serve(&args[1..]);
    }
    let Some(out) = args.first() else {
        println!("name the file to write, or run `cargo xtask bench overload`");
        return;
    };
    load::raise_file_limit();
    let plans = if args.iter().any(|arg| arg == "--quick") { &QUICK[..] } else { &FULL[..] };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut rows = Vec::new();
    for plan in plans {
        rows.extend(runtime.block_on(measure(plan, &args)));
    }
    let out = Path::new(out);
    std::fs::create_dir_all(out.parent().unwrap()).unwrap();
    std::fs::write(out, serde_json::to_string_pretty(&rows).unwrap()).unwrap();
}

async fn measure(plan: &Plan, args: &[String]) -> Vec<serde_json::Value> {
    let backend = Backend::start(plan.backend).await;
    let peak = find_peak(plan, &backend).await;
    let slow_peak = {
        backend.set_slowdown(SLOWDOWN);
        let peak = find_peak(plan, &backend).await;
        backend.set_slowdown(1.0);
        peak
    };
    println!(
        "{} backend: peak {:.0}/s at {} requests at once; {SLOWDOWN} times slower {:.0}/s",
        plan.backend.name(),
        peak.rate,
        peak.concurrency,
        slow_peak.rate
    );
    let mut table = Table::new(plan.backend.name());
    for kind in plan.peers {
        let peer = Peer::start(*kind, &backend, peak.concurrency, args);
        for offered in plan.offered {
            let arrivals = Arrivals::new(offered * peak.rate, plan.run, paths(*kind));
            let result = load::run(peer.address, &arrivals, plan.warm_up, || {}).await;
            table.add(*kind, Cell::new(&format!("{offered}x"), &result, peak.rate));
            tokio::time::sleep(PAUSE).await;
        }
        let result = run_slow(plan, &backend, &peer, SLOW_OFFERED * peak.rate).await;
        table.add(*kind, Cell::new("slow", &result, slow_peak.rate));
        tokio::time::sleep(PAUSE).await;
    }
    table.rows()
}

/// The paths by which a peer knows the classes. Where all requests have one class, so have their paths.
fn paths(kind: PeerKind) -> Paths {
    if kind == PeerKind::OneClass { Paths::OneClass } else { Paths::ByClass }
}

/// A run in which the backend becomes slower at the end of the warm-up. What follows is measured two seconds later.
async fn run_slow(plan: &Plan, backend: &Backend, peer: &Peer, rate: f64) -> LoadResult {
    let arrivals = Arrivals::new(rate, plan.slow_run, paths(peer.kind));
    let slow_down = || backend.set_slowdown(SLOWDOWN);
    let after = plan.warm_up + Duration::from_secs(2);
    let result = load::run_with_change(peer.address, &arrivals, plan.warm_up, after, slow_down).await;
    backend.set_slowdown(1.0);
    result
}

/// The highest goodput of the backend, and the concurrency that it has then.
#[derive(Debug, Clone, Copy)]
struct Peak {
    rate: f64,
    concurrency: usize,
}

async fn find_peak(plan: &Plan, backend: &Backend) -> Peak {
    let mut best = Peak { rate: 0.0, concurrency: 1 };
    for concurrency in plan.backend.concurrencies() {
        let rate = load::closed_loop(backend.address, concurrency, plan.peak_round).await;
        if rate > best.rate {
            best = Peak { rate, concurrency };
        }
    }
    best
}
