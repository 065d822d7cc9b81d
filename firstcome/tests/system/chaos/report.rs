//! What the runs found, added up over all runs of a commit range.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The result of one seed.
#[derive(Default)]
pub(super) struct Run {
    pub(super) seed: u64,
    /// Each fault that counts, with the time until applications and orders went on.
    pub(super) faults: Vec<(&'static str, Duration)>,
    /// The faults around which applications were acknowledged; any other hit nothing.
    pub(super) progress: u64,
    pub(super) acknowledged: u64,
    pub(super) orders: u64,
    pub(super) seats: u64,
    /// The broken promises, by invariant.
    pub(super) violations: Vec<(String, String)>,
    pub(super) took: Duration,
}

impl Run {
    pub(super) fn fail(&mut self, invariant: &str, what: String) {
        self.violations.push((invariant.to_owned(), what));
    }

    pub(super) fn line(&self) -> String {
        let mut line = format!(
            "seed {}: {} faults, {} applications acknowledged, {} orders for {} seats, {} violations, {:.0} s",
            self.seed,
            self.faults.len(),
            self.acknowledged,
            self.orders,
            self.seats,
            self.violations.len(),
            self.took.as_secs_f64()
        );
        for (invariant, what) in &self.violations {
            let _ = write!(line, "\n  {invariant}: {what}");
        }
        line
    }
}

/// The sums over all runs.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Report {
    commits: BTreeSet<String>,
    seeds: Vec<u64>,
    faults: u64,
    by_kind: BTreeMap<String, u64>,
    acked: u64,
    orders: u64,
    seats: u64,
    progress: u64,
    /// How often each invariant was violated.
    violations: BTreeMap<String, u64>,
    /// By kind of fault, the times until applications and orders went on, in milliseconds.
    rto_ms: BTreeMap<String, Vec<u64>>,
}

impl Report {
    /// Continues the report of the file, or starts one.
    pub(super) fn open(file: Option<&Path>) -> Self {
        match file.map(std::fs::read_to_string) {
            Some(Ok(text)) => serde_json::from_str(&text).unwrap(),
            _ => Self::default(),
        }
    }

    pub(super) fn add(&mut self, run: Run, commit: &str) {
        if !commit.is_empty() {
            self.commits.insert(commit.to_owned());
        }
        self.seeds.push(run.seed);
        self.acked += run.acknowledged;
        self.orders += run.orders;
        self.seats += run.seats;
        self.progress += run.progress;
        for (kind, took) in run.faults {
            self.faults += 1;
            *self.by_kind.entry(kind.to_owned()).or_default() += 1;
            self.rto_ms.entry(kind.to_owned()).or_default().push(u64::try_from(took.as_millis()).unwrap());
        }
        for (invariant, _) in run.violations {
            *self.violations.entry(invariant).or_default() += 1;
        }
    }

    pub(super) fn write(&self, file: &Path) {
        std::fs::write(file, serde_json::to_string_pretty(self).unwrap()).unwrap();
    }

    pub(super) fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }

    /// The table of the documentation: each kind, how often, and the time until the system went on.
    pub(super) fn table(&self) -> String {
        let mut table = String::from("| fault | count | p50 ms | p99 ms |\n|---|---|---|---|\n");
        for (kind, times) in &self.rto_ms {
            let mut times = times.clone();
            times.sort_unstable();
            let at = |percent: usize| times[(times.len() * percent).div_ceil(100).max(1) - 1];
            let _ = writeln!(table, "| {kind} | {} | {} | {} |", times.len(), at(50), at(99));
        }
        let _ = write!(
            table,
            "{} faults, {} applications acknowledged, {} orders for {} seats, violations: {:?}",
            self.faults, self.acked, self.orders, self.seats, self.violations
        );
        table
    }
}
