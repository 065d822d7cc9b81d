//! The figures of each run, and the rows of the report.

use std::time::Duration;

use serde_json::{Value, json};

use crate::load::{LoadResult, RequestKind, Sample};
use crate::peers::PeerKind;

/// A run is void if one request of a hundred was sent later than this, or if less of the machine was idle.
const LATENESS_MAX: Duration = Duration::from_millis(5);
const IDLE_MIN: f64 = 0.03;

/// The figures of one run.
#[derive(Debug)]
pub(crate) struct Cell {
    load: String,
    /// Requests that were served in time, in percent of the peak.
    goodput: f64,
    /// Orders that were served in time, in percent.
    orders: f64,
    signups: f64,
    /// Of all that was served, in milliseconds.
    p99_ms: f64,
    /// Of people's requests, in percent. A crawler never waits, so that some of its requests are refused at any load.
    refused: f64,
    refused_bots: f64,
    lateness_ms: f64,
    idle: f64,
}

impl Cell {
    pub(crate) fn new(load: &str, result: &LoadResult, peak: f64) -> Self {
        let samples = &result.samples;
        let good = samples.iter().filter(|sample| sample.is_good()).count();
        let served: Vec<Duration> =
            samples.iter().filter(|sample| sample.is_served()).map(|sample| sample.latency).collect();
        Self {
            load: load.to_owned(),
            goodput: good as f64 / result.measured.as_secs_f64() / peak * 100.0,
            orders: success(samples, RequestKind::Order),
            signups: success(samples, RequestKind::Signup),
            refused: refused(samples, |kind| kind != RequestKind::Bot),
            refused_bots: refused(samples, |kind| kind == RequestKind::Bot),
            p99_ms: p99_ms(served),
            lateness_ms: p99_ms(samples.iter().map(|sample| sample.lateness).collect()),
            idle: result.idle,
        }
    }

    fn is_void(&self) -> bool {
        self.lateness_ms > LATENESS_MAX.as_secs_f64() * 1000.0 || self.idle < IDLE_MIN
    }
}

fn success(samples: &[Sample], kind: RequestKind) -> f64 {
    let of_kind: Vec<&Sample> = samples.iter().filter(|sample| sample.kind == kind).collect();
    percent(of_kind.iter().filter(|sample| sample.is_good()).count(), of_kind.len())
}

fn refused(samples: &[Sample], of: fn(RequestKind) -> bool) -> f64 {
    let all = samples.iter().filter(|sample| of(sample.kind));
    percent(all.clone().filter(|sample| !sample.is_served()).count(), all.count())
}

fn percent(part: usize, whole: usize) -> f64 {
    part as f64 * 100.0 / whole.max(1) as f64
}

fn p99_ms(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    let at = (times.len() * 99).div_ceil(100).saturating_sub(1);
    times.get(at).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}

/// All runs before one backend.
#[derive(Debug)]
pub(crate) struct Table {
    backend: &'static str,
    cells: Vec<(PeerKind, Cell)>,
}

/// A figure of a run, with its bar.
struct Figure {
    name: String,
    load: String,
    unit: &'static str,
    value: fn(&Cell, f64) -> f64,
    /// At least, or at most, this.
    bar: Option<(Bound, f64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Least,
    Most,
}

impl Table {
    pub(crate) fn new(backend: &'static str) -> Self {
        println!(
            "{:<31} {:>5} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9} {:>5}",
            "", "load", "goodput%", "orders%", "signup%", "refused%", "bots'", "p99 ms", "late ms", "idle%"
        );
        Self { backend, cells: Vec::new() }
    }

    pub(crate) fn add(&mut self, kind: PeerKind, cell: Cell) {
        println!(
            "{:<31} {:>5} {:>8.1} {:>8.1} {:>8.1} {:>8.1} {:>8.1} {:>8.0} {:>9.1} {:>5.0}{}",
            kind.name(),
            cell.load,
            cell.goodput,
            cell.orders,
            cell.signups,
            cell.refused,
            cell.refused_bots,
            cell.p99_ms,
            cell.lateness_ms,
            cell.idle * 100.0,
            if cell.is_void() { "  void" } else { "" }
        );
        self.cells.push((kind, cell));
    }

    fn cell(&self, kind: PeerKind, load: &str) -> Option<&Cell> {
        self.cells.iter().find(|(of, cell)| *of == kind && cell.load == load).map(|(_, cell)| cell)
    }

    /// One row for each figure and peer.
    pub(crate) fn rows(&self) -> Vec<Value> {
        let mut kinds: Vec<PeerKind> = self.cells.iter().map(|(kind, _)| *kind).collect();
        kinds.dedup();
        let peers = kinds.into_iter().filter(|kind| *kind != PeerKind::Gateway);
        let mut rows = Vec::new();
        for peer in peers {
            rows.extend(figures().iter().filter_map(|figure| self.row(figure, peer)));
        }
        rows
    }

    fn row(&self, figure: &Figure, peer: PeerKind) -> Option<Value> {
        let ours = self.cell(PeerKind::Gateway, &figure.load)?;
        let theirs = self.cell(peer, &figure.load)?;
        let quiet = |kind| self.cell(kind, "0.5x").map_or(0.0, |cell| cell.p99_ms);
        let value = (figure.value)(ours, quiet(PeerKind::Gateway));
        let peer_value = (figure.value)(theirs, quiet(peer));
        let void = ours.is_void() || theirs.is_void();
        let holds = figure.bar.is_none_or(|(bound, bar)| !void && holds(bound, value, bar));
        let bar = figure.bar.map(|(bound, bar)| match bound {
            Bound::Least => format!(">= {bar}"),
            Bound::Most => format!("<= {bar}"),
        });
        Some(json!({
            "name": format!("{}, {} backend", figure.name, self.backend), "value": rounded(value), "unit": figure.unit,
            "peer": peer.name(), "peer_value": rounded(peer_value), "ratio": ratio(value, peer_value),
            "bar": bar, "holds": holds, "void": void,
        }))
    }
}

fn holds(bound: Bound, value: f64, bar: f64) -> bool {
    if bound == Bound::Least { value >= bar } else { value <= bar }
}

/// `None` where the peer's value is zero.
fn ratio(value: f64, peer_value: f64) -> Option<f64> {
    (peer_value > 0.0).then(|| rounded(value / peer_value))
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn figures() -> Vec<Figure> {
    let figure =
        |name: String, load: &str, unit, value, bar| Figure { name, load: load.to_owned(), unit, value, bar };
    let least = |bar| Some((Bound::Least, bar));
    let mut figures = Vec::new();
    for load in ["0.5x", "0.8x"] {
        let name = format!("needless refusals at {load} of the peak");
        figures.push(figure(name, load, "% of people's requests", |cell, _| cell.refused, None));
    }
    for load in ["1x", "2x", "5x", "10x"] {
        let bar = if load == "1x" { None } else { least(98.0) };
        let name = format!("goodput at {load} of the peak");
        figures.push(figure(name, load, "% of peak", |cell, _| cell.goodput, bar));
        let name = format!("orders served at {load} of the peak");
        figures.push(figure(name, load, "% of orders", |cell, _| cell.orders, least(99.9)));
        let name = format!("p99 of what is served at {load} of the peak to that at 0.5x");
        let bar = Some((Bound::Most, 3.0));
        figures.push(figure(name, load, "ratio", |cell, quiet| cell.p99_ms / quiet.max(1.0), bar));
    }
    let name = "goodput while the backend is 3x slower".to_owned();
    figures.push(figure(name, "slow", "% of its peak then", |cell, _| cell.goodput, least(97.0)));
    let name = "orders served while the backend is 3x slower".to_owned();
    figures.push(figure(name, "slow", "% of orders", |cell, _| cell.orders, least(97.0)));
    figures
}
