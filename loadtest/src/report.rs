//! What a load test found: each kind of request with its times, and for a crowd, what became of the people.

use std::fmt;

use goose::metrics::GooseMetrics;
use serde::Serialize;

use crate::ledger::Entries;

/// One kind of request.
#[derive(Debug, Clone, Serialize)]
pub struct Measure {
    /// Its name.
    pub name: String,
    /// How many were sent.
    pub sent: usize,
    /// How many failed: no answer, or one that is no part of the contract.
    pub failed: usize,
    /// Answers by status.
    pub statuses: std::collections::BTreeMap<u16, usize>,
    /// Milliseconds until the answer began: half of them took less,
    pub p50_ms: f64,
    /// 95 of 100,
    pub p95_ms: f64,
    /// 99 of 100,
    pub p99_ms: f64,
    /// and all of them.
    pub max_ms: f64,
}

/// What became of a crowd.
#[derive(Debug, Clone, Serialize)]
pub struct People {
    /// How many came.
    pub came: u32,
    /// How many have a number.
    pub numbers: usize,
    /// How many were told that the event is over.
    pub too_late: u32,
    /// How many gave up.
    pub gave_up: u32,
    /// How often somebody was told to come again.
    pub put_off: u32,
    /// How many promises were broken,
    pub broken_count: u32,
    /// and the first of them.
    pub broken: Vec<String>,
    #[serde(skip)]
    receipts: Vec<String>,
}

/// What a load test found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// How long it went on.
    pub seconds: usize,
    /// By kind of request.
    pub requests: Vec<Measure>,
    /// For a crowd.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub people: Option<People>,
}

#[expect(clippy::cast_precision_loss, reason = "times far below 2^52 us")]
fn ms(us: u64) -> f64 {
    us as f64 / 1000.0
}

impl Report {
    pub(crate) fn of_crowd(metrics: &GooseMetrics, entries: Entries, came: u32) -> Self {
        let Entries { receipts, too_late, gave_up, put_off, broken, broken_count } = entries;
        let people = People {
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
        let mut requests: Vec<Measure> = metrics
            .requests
            .iter()
            .map(|(name, aggregate)| {
                let times = &aggregate.raw_data;

                Measure {
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

    /// The receipts, one a queue.
    pub fn acks(&self) -> String {
        let receipts = self.people.iter().flat_map(|people| &people.receipts);
        receipts.flat_map(|receipt| [receipt, "\n"]).collect()
    }

    /// Whether nobody was failed: every request was answered by the contract, and no promise was broken.
    pub fn holds(&self) -> bool {
        let people = self.people.as_ref().is_none_or(|p| p.broken_count == 0 && p.gave_up == 0);
        people && !self.requests.is_empty() && self.requests.iter().all(|request| request.failed == 0)
    }
}

impl fmt::Display for Report {
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
                "{} people: {} have a number, {} came too late, {} gave up; put off {} times; promises broken: {}",
                p.came, p.numbers, p.too_late, p.gave_up, p.put_off, p.broken_count
            )?;
            for broken in &p.broken {
                writeln!(f, "  {broken}")?;
            }
        }
        Ok(())
    }
}
