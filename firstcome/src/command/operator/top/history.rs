//! The last minutes of an event, second by second.

use std::collections::BTreeMap;

use operator::response::MetricSecond;

/// The most seconds that are kept.
const SECONDS_MAX: usize = 300;

/// The last seconds of an event, by their time.
#[derive(Debug, Default)]
pub(super) struct History(BTreeMap<String, MetricSecond>);

impl History {
    /// Adds seconds; one that is known is replaced, because its last figures may have come late.
    pub(super) fn add(&mut self, seconds: Vec<MetricSecond>) {
        self.0.extend(seconds.into_iter().map(|second| (second.at.clone(), second)));
        while self.0.len() > SECONDS_MAX {
            self.0.pop_first();
        }
    }

    /// Applications in each second.
    pub(super) fn inflow(&self) -> Vec<u64> {
        let applied: Vec<u32> = self.0.values().filter_map(|second| second.applied).collect();
        applied.windows(2).map(|pair| u64::from(pair[1].saturating_sub(pair[0]))).collect()
    }

    /// Waiting numbers in each second.
    pub(super) fn waiting(&self) -> Vec<u64> {
        self.0.values().filter_map(|second| second.waiting).map(u64::from).collect()
    }

    /// Order calls that ended in each second.
    pub(super) fn calls(&self) -> Vec<u64> {
        self.0
            .values()
            .map(|second| second.calls.as_ref().map_or(0, |calls| u64::from(calls.count)))
            .collect()
    }

    /// The latency in milliseconds that 95 % of the calls of each second did not exceed.
    pub(super) fn p95_ms(&self) -> Vec<u64> {
        let p95 = |second: &MetricSecond| second.calls.as_ref()?.p95_ms.map(u64::from);
        self.0.values().map(|second| p95(second).unwrap_or(0)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(at: u32, applied: u32) -> MetricSecond {
        MetricSecond { at: format!("{at:06}"), applied: Some(applied), waiting: None, calls: None }
    }

    #[test]
    fn a_second_is_kept_once_and_for_five_minutes() {
        let mut history = History::default();
        history.add((0..400).map(|at| second(at, at * 2)).collect());
        history.add(vec![second(399, 900)]);
        let inflow = history.inflow();
        assert_eq!((inflow.len(), inflow[0], inflow[298]), (299, 2, 900 - 398 * 2));
        assert_eq!((history.calls().len(), history.waiting().len()), (300, 0));
    }
}
