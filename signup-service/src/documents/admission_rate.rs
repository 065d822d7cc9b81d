//! How fast admission goes through the queue, measured over the last minute. The expected wait of all pages follows from it.

use std::collections::VecDeque;

use domain::{Epoch, Millis};
use queue::QueueSnapshot;
use serde::Serialize;
use utoipa::ToSchema;

/// The time that the rate is measured over.
const WINDOW_MS: Millis = 60_000;
/// The time between two samples.
const SAMPLE_MS: Millis = 1000;
/// A shorter measurement says less than the pace as set.
const MEASURED_MS: Millis = 10_000;
/// The share of the pace that an event reaches at least, as long as nothing is measured.
const ASSUMED_LOW: f64 = 0.7;
/// An admission stalls if none happened while the pace called for this many.
const STALLED: f64 = 5.0;

/// How many applications are admitted per second, as a range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub(crate) struct AdmissionRate {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl AdmissionRate {
    /// Three significant digits: more would change with every sample.
    fn new(low: f64, high: f64) -> Self {
        let rounded = |rate: f64| format!("{rate:.2e}").parse().unwrap_or(rate);
        Self { low: rounded(low), high: rounded(high) }
    }
}

/// What the samples of a history have in common.
#[derive(Debug, Clone, PartialEq)]
struct Conditions {
    epoch: Epoch,
    /// Admissions per second, as set.
    pace: f64,
}

/// The admissions up to a time.
#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Millis,
    admitted: u32,
}

/// The admissions of the last minute under the same conditions, while applications were waiting: without any, admission is as slow
/// as people apply.
#[derive(Debug, Clone, Default)]
pub(super) struct AdmissionHistory {
    conditions: Option<Conditions>,
    samples: VecDeque<Sample>,
}

impl AdmissionHistory {
    /// The history with one more reading of the queue.
    pub(super) fn followed_by(self, snapshot: &QueueSnapshot, pace: f64) -> Self {
        let through = snapshot.admitted_through;
        let sample = Sample { at: snapshot.now, admitted: through - snapshot.gaps.count(0, through) };
        self.with(Conditions { epoch: snapshot.epoch, pace }, snapshot.waiting > 0, sample)
    }

    fn with(mut self, conditions: Conditions, has_waiting: bool, sample: Sample) -> Self {
        let goes_on = has_waiting && self.conditions.as_ref() == Some(&conditions);
        match self.samples.back() {
            Some(last) if goes_on && last.admitted <= sample.admitted => {
                if sample.at - last.at >= SAMPLE_MS {
                    self.samples.push_back(sample);
                    self.samples.retain(|kept| kept.at >= sample.at - WINDOW_MS);
                }
                self
            }
            _ => Self { conditions: Some(conditions), samples: VecDeque::from([sample]) },
        }
    }

    /// The rate; none while it is unknown: there is no history, or admission stalls.
    pub(super) fn rate(&self) -> Option<AdmissionRate> {
        let pace = self.conditions.as_ref()?.pace;
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        let moved = f64::from(last.admitted - first.admitted);
        let millis = last.at - first.at;
        let seconds = std::time::Duration::from_millis(millis.unsigned_abs()).as_secs_f64();
        if millis < MEASURED_MS || moved == 0.0 && seconds * pace < STALLED {
            return Some(AdmissionRate::new(pace * ASSUMED_LOW, pace));
        }
        // The fewer were admitted, the more of it is chance.
        let spread = moved.sqrt().recip().clamp(0.15, 0.5);
        let measured = moved / seconds;
        let high = (measured * (1.0 + spread)).min(pace);
        (moved > 0.0).then(|| AdmissionRate::new((measured * (1.0 - spread)).min(high * 0.8), high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rate after one sample per second. It starts with one of no admissions.
    fn rate_after(pace: f64, admitted: impl IntoIterator<Item = u32>) -> Option<AdmissionRate> {
        let conditions = Conditions { epoch: Epoch(1), pace };
        let mut history = AdmissionHistory::default();
        for (second, admitted) in (0..).zip(std::iter::once(0).chain(admitted)) {
            history = history.with(conditions.clone(), true, Sample { at: second * 1000, admitted });
        }
        history.rate()
    }

    fn assumed(pace: f64) -> AdmissionRate {
        AdmissionRate::new(pace * ASSUMED_LOW, pace)
    }

    #[test]
    fn the_pace_as_set_stands_until_enough_is_measured() {
        assert_eq!(rate_after(10.0, (1..=9).map(|second| second * 2)), Some(assumed(10.0)));
        assert_eq!(rate_after(10.0, (1..=10).map(|second| second * 2)), Some(AdmissionRate::new(1.55, 2.45)));
        assert_eq!(AdmissionHistory::default().rate(), None);
    }

    #[test]
    fn only_the_last_minute_counts() {
        let slowed_down = (1..=100u32).map(|second| if second <= 40 { second * 9 } else { 320 + second });
        assert_eq!(rate_after(10.0, slowed_down), Some(AdmissionRate::new(0.85, 1.15)));
    }

    #[test]
    fn a_burst_at_the_start_is_not_taken_for_the_rate() {
        let burst = (1..=20u32).map(|second| 200 + second * 10);
        assert_eq!(rate_after(10.0, burst), Some(AdmissionRate::new(8.0, 10.0)));
    }

    #[test]
    fn the_rate_is_unknown_while_admission_stalls() {
        assert_eq!(rate_after(1.0, [0; 10]), None);
        // Two in 20 s are not due yet.
        assert_eq!(rate_after(0.1, [0; 20]), Some(assumed(0.1)));
    }

    #[test]
    fn a_history_starts_anew_when_its_conditions_change_or_the_queue_was_empty() {
        let conditions = Conditions { epoch: Epoch(1), pace: 5.0 };
        let mut history = AdmissionHistory::default();
        for second in 0..30 {
            let sample = Sample { at: i64::from(second) * 1000, admitted: second };
            history = history.with(conditions.clone(), true, sample);
        }
        assert_ne!(history.rate(), Some(assumed(5.0)));
        let next = Sample { at: 30_000, admitted: 30 };
        let faster = Conditions { pace: 6.0, ..conditions.clone() };
        assert_eq!(history.clone().with(faster, true, next).rate(), Some(assumed(6.0)));
        assert_eq!(history.clone().with(conditions.clone(), false, next).rate(), Some(assumed(5.0)));
        let lost = Conditions { epoch: Epoch(2), ..conditions };
        assert_eq!(history.with(lost, true, next).rate(), Some(assumed(5.0)));
    }
}
