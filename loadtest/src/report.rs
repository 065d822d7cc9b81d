//! The results of a load test: response times by kind of request, and the outcomes of the applicants.

use std::fmt;

use goose::metrics::GooseMetrics;
use serde::Serialize;

use crate::acknowledged::AcknowledgedEntries;

/// The results of one kind of request.
#[derive(Debug, Clone, Serialize)]
pub struct RequestStats {
    /// The name of the kind.
    pub name: String,
    /// Requests sent.
    pub sent: usize,
    /// Requests without a response, or with a response outside the contract.
    pub failed: usize,
    /// Responses by status.
    pub statuses: std::collections::BTreeMap<u16, usize>,
    /// Median time until the response began, in milliseconds.
    pub p50_ms: f64,
    /// 95th percentile, in milliseconds.
    pub p95_ms: f64,
    /// 99th percentile, in milliseconds.
    pub p99_ms: f64,
    /// Longest time, in milliseconds.
    pub max_ms: f64,
}

/// The outcomes of the applicants.
#[derive(Debug, Clone, Serialize)]
pub struct CrowdOutcome {
    /// Applicants.
    pub came: u32,
    /// Applicants with a number.
    pub numbers: usize,
    /// Applicants refused because the event is over.
    pub too_late: u32,
    /// Applicants that gave up.
    pub gave_up: u32,
    /// Responses that asked an applicant to retry later.
    pub put_off: u32,
    /// Contract violations.
    pub broken_count: u32,
    /// The first contract violations, as text.
    pub broken: Vec<String>,
    #[serde(skip)]
    receipts: Vec<String>,
}

/// The results of a load test.
#[derive(Debug, Clone, Serialize)]
pub struct LoadReport {
    /// The length of the run, in seconds.
    pub seconds: usize,
    /// The results by kind of request.
    pub requests: Vec<RequestStats>,
    /// The outcomes of the applicants, for a crowd.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub people: Option<CrowdOutcome>,
}

#[expect(clippy::cast_precision_loss, reason = "times far below 2^52 us")]
fn ms(us: u64) -> f64 {
    us as f64 / 1000.0
}

impl LoadReport {
    pub(crate) fn of_crowd(metrics: &GooseMetrics, entries: AcknowledgedEntries, came: u32) -> Self {
        let AcknowledgedEntries { receipts, too_late, gave_up, put_off, broken, broken_count } = entries;
        let people = CrowdOutcome {
            came,
            numbers: receipts.len(),
            too_late,
            gave_up,
            put_off,
            broken_count,
            broken,
            receipts,
        };
        Self { people: Some(people), ..Self::of_shoppers(metrics) }
    }

    pub(crate) fn of_shoppers(metrics: &GooseMetrics) -> Self {
        let mut requests: Vec<RequestStats> = metrics
            .requests
            .iter()
            .map(|(name, aggregate)| {
                let times = &aggregate.raw_data;
                RequestStats {
                    name: name.clone(),
                    sent: times.counter,
                    failed: aggregate.fail_count,
                    statuses: aggregate.status_code_counts.iter().map(|(code, n)| (*code, *n)).collect(),
                    p50_ms: ms(times.percentile_us(0.5)),
                    p95_ms: ms(times.percentile_us(0.95)),
                    p99_ms: ms(times.percentile_us(0.99)),
                    max_ms: ms(times.maximum_time_us),
                }
            })
            .collect();
        requests.sort_by(|a, b| a.name.cmp(&b.name));
        Self { seconds: metrics.duration, requests, people: None }
    }

    /// The receipts, one per line.
    pub fn acks(&self) -> String {
        let receipts = self.people.iter().flat_map(|people| &people.receipts);
        receipts.flat_map(|receipt| [receipt, "\n"]).collect()
    }

    /// Whether the run passed: every response kept the contract, and every applicant got an outcome.
    pub fn passed(&self) -> bool {
        let crowd_passed = self.people.as_ref().is_none_or(|p| p.broken_count == 0 && p.gave_up == 0);
        crowd_passed && !self.requests.is_empty() && self.requests.iter().all(|request| request.failed == 0)
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<24} {:>8} {:>7} {:>9} {:>9} {:>9} {:>9}  statuses",
            "request", "sent", "failed", "p50 ms", "p95 ms", "p99 ms", "max ms"
        )?;
        for m in &self.requests {
            let statuses: Vec<String> = m.statuses.iter().map(|(code, n)| format!("{code}: {n}")).collect();
            writeln!(
                f,
                "{:<24} {:>8} {:>7} {:>9.2} {:>9.2} {:>9.2} {:>9.2}  {}",
                m.name,
                m.sent,
                m.failed,
                m.p50_ms,
                m.p95_ms,
                m.p99_ms,
                m.max_ms,
                statuses.join(", ")
            )?;
        }
        if let Some(p) = &self.people {
            writeln!(
                f,
                "{} applicants: {} with a number, {} too late, {} gave up; {} responses asked to retry; {} contract violations",
                p.came, p.numbers, p.too_late, p.gave_up, p.put_off, p.broken_count
            )?;
            for broken in &p.broken {
                writeln!(f, "  {broken}")?;
            }
        }
        Ok(())
    }
}
