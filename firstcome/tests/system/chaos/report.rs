//! What the runs found, added up over all runs of a commit range.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

/// The result of one seed.
pub(super) struct Run {
    pub(super) seed: u64,
    /// Each fault that counts, with the time until applications and orders went on.
    pub(super) faults: Vec<(&'static str, Duration)>,
    /// Applications acknowledged around each fault: none would mean that it hit nothing.
    pub(super) acknowledged_between: Vec<u32>,
    pub(super) acknowledged: usize,
    pub(super) orders: usize,
    pub(super) seats: u64,
    /// The broken promises, by invariant.
    pub(super) violations: Vec<(String, String)>,
    pub(super) took: Duration,
}

impl Run {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            faults: Vec::new(),
            acknowledged_between: Vec::new(),
            acknowledged: 0,
            orders: 0,
            seats: 0,
            violations: Vec::new(),
            took: Duration::ZERO,
        }
    }

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

/// The sums, kept in a file if there is one.
pub(super) struct Report {
    file: Option<PathBuf>,
    json: Value,
}

impl Report {
    /// Continues the report of the file, or starts one.
    pub(super) fn open(file: Option<PathBuf>) -> Self {
        let kept = file.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
        let empty = json!({
            "commits": [], "seeds": [], "faults": 0, "by_kind": {}, "acked": 0, "orders": 0, "seats": 0,
            "progress": 0, "violations": {}, "rto_ms": {},
        });
        let json = kept.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(empty);
        Self { file, json }
    }

    pub(super) fn add(&mut self, run: Run, commit: &str) {
        let json = &mut self.json;
        if !commit.is_empty() && !json["commits"].as_array().unwrap().contains(&json!(commit)) {
            json["commits"].as_array_mut().unwrap().push(json!(commit));
        }
        json["seeds"].as_array_mut().unwrap().push(json!(run.seed));
        let mut add = |field: &str, count: usize| {
            json[field] = json!(json[field].as_u64().unwrap_or(0) + u64::try_from(count).unwrap());
        };
        add("faults", run.faults.len());
        add("acked", run.acknowledged);
        add("orders", run.orders);
        add("seats", usize::try_from(run.seats).unwrap());
        add("progress", run.acknowledged_between.iter().filter(|acks| **acks > 0).count());
        for (kind, took) in run.faults {
            let count = &mut json["by_kind"][kind];
            *count = json!(count.as_u64().unwrap_or(0) + 1);
            let times = &mut json["rto_ms"][kind];
            if times.is_null() {
                *times = json!([]);
            }
            times.as_array_mut().unwrap().push(json!(u64::try_from(took.as_millis()).unwrap()));
        }
        for (invariant, _) in run.violations {
            let count = &mut json["violations"][&invariant];
            *count = json!(count.as_u64().unwrap_or(0) + 1);
        }
        if let Some(file) = &self.file {
            std::fs::write(file, serde_json::to_string_pretty(json).unwrap()).unwrap();
        }
    }

    pub(super) fn is_clean(&self) -> bool {
        self.json["violations"].as_object().unwrap().is_empty()
    }

    /// The table of the documentation: each kind, how often, and the time until the system went on.
    pub(super) fn table(&self) -> String {
        let kinds: BTreeMap<String, Vec<u64>> = serde_json::from_value(self.json["rto_ms"].clone()).unwrap();
        let mut table = String::from("| fault | count | p50 ms | p99 ms |\n|---|---|---|---|\n");
        for (kind, mut times) in kinds {
            times.sort_unstable();
            let at = |percent: usize| times[(times.len() * percent).div_ceil(100).max(1) - 1];
            let _ = writeln!(table, "| {kind} | {} | {} | {} |", times.len(), at(50), at(99));
        }
        let json = &self.json;
        let _ = write!(
            table,
            "{} faults, {} applications acknowledged, {} orders for {} seats, violations: {}",
            json["faults"], json["acked"], json["orders"], json["seats"], json["violations"]
        );
        table
    }
}
