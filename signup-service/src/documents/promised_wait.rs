//! What the pages promise about the wait, and how far it was from the truth.

use std::collections::VecDeque;

use domain::{Epoch, Millis};
use queue::QueueSnapshot;

use super::admission_rate::AdmissionRate;

/// An estimate beyond a day is none.
const MAX_S: f64 = 86_400.0;
/// The time between two promises that are kept for comparison.
const SAMPLE_MS: Millis = 5000;
/// The most promises that wait for their truth.
const PENDING_MAX: usize = 64;

/// A wait in seconds, at least and at most, rounded as the pages show it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PromisedWait {
    pub(crate) from: f64,
    pub(crate) to: f64,
    /// At most, before it is rounded.
    pub(crate) high: f64,
}

impl PromisedWait {
    /// The wait of an application with so many ahead; none if it would be longer than a day.
    pub(crate) fn of(ahead: u32, rate: AdmissionRate) -> Option<Self> {
        let (low, high) = (f64::from(ahead) / rate.high, f64::from(ahead + 1) / rate.low);
        (high <= MAX_S).then(|| Self {
            from: (low / step(low)).floor() * step(low),
            to: (high / step(high)).ceil() * step(high),
            high,
        })
    }

    /// How far a wait was outside the promise, as a share of the wait. A promise that held has no error.
    fn error_of(&self, seconds: f64) -> f64 {
        let missed = (self.from - seconds).max(seconds - self.to).max(0.0);
        missed / seconds.max(1.0)
    }
}

/// The seconds that an estimate of this length is rounded to: a longer one is less exact.
fn step(seconds: f64) -> f64 {
    match seconds {
        ..=10.0 => 1.0,
        ..=60.0 => 5.0,
        ..=600.0 => 60.0,
        ..=3600.0 => 300.0,
        _ => 600.0,
    }
}

/// A promise to the application with the last number.
#[derive(Debug, Clone, Copy)]
struct Promise {
    number: u32,
    at: Millis,
    wait: PromisedWait,
}

/// What a reading of the queue says about promises.
#[derive(Debug, Clone, Copy)]
struct Reading {
    at: Millis,
    /// Epoch and pace: what a promise depends on.
    conditions: (Epoch, u64),
    last_number: u32,
    admitted_through: u32,
    waiting: u32,
}

/// A sample of the promises, each until its application is admitted. They are dropped when the operator changes the pace or pauses,
/// since they were made for other conditions.
#[derive(Debug, Clone, Default)]
pub(super) struct PromisedWaits {
    conditions: Option<(Epoch, u64)>,
    pending: VecDeque<Promise>,
}

impl PromisedWaits {
    /// The promises with one more reading of the queue, and the errors of those that came due.
    pub(super) fn followed_by(
        self,
        snapshot: &QueueSnapshot,
        pace: f64,
        rate: Option<AdmissionRate>,
    ) -> (Self, Vec<f64>) {
        let reading = Reading {
            at: snapshot.now,
            conditions: (snapshot.epoch, pace.to_bits()),
            last_number: snapshot.seq,
            admitted_through: snapshot.admitted_through,
            waiting: snapshot.waiting,
        };
        self.with(reading, rate)
    }

    fn with(mut self, reading: Reading, rate: Option<AdmissionRate>) -> (Self, Vec<f64>) {
        if self.conditions != Some(reading.conditions) {
            self = Self { conditions: Some(reading.conditions), pending: VecDeque::new() };
        }
        let mut errors = Vec::new();
        let through = reading.admitted_through;
        while let Some(promise) = self.pending.pop_front_if(|promise| promise.number <= through) {
            let waited = std::time::Duration::from_millis((reading.at - promise.at).unsigned_abs());
            errors.push(promise.wait.error_of(waited.as_secs_f64()));
        }
        let ahead = reading.waiting.saturating_sub(1);
        let promised = rate.and_then(|rate| PromisedWait::of(ahead, rate)).filter(|_| ahead > 0);
        if let Some(wait) = promised.filter(|_| self.samples(&reading)) {
            self.pending.push_back(Promise { number: reading.last_number, at: reading.at, wait });
        }
        (self, errors)
    }

    /// Whether the promise to the last number is kept for comparison.
    fn samples(&self, reading: &Reading) -> bool {
        let is_due = |last: &Promise| last.number < reading.last_number && reading.at - last.at >= SAMPLE_MS;
        self.pending.len() < PENDING_MAX && self.pending.back().is_none_or(is_due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_that_held_has_no_error_and_a_broken_one_its_distance() {
        let rate = AdmissionRate { low: 0.75, high: 1.0 };
        let wait = PromisedWait::of(20, rate);
        assert_eq!(wait.map(|wait| (wait.from, wait.to)), Some((20.0, 30.0)));
        let errors = wait.map(|wait| [20.0, 30.0, 40.0, 10.0].map(|seconds| wait.error_of(seconds)));
        assert_eq!(errors, Some([0.0, 0.0, 0.25, 1.0]));
        assert_eq!(PromisedWait::of(100_000, rate), None);
    }

    #[test]
    fn a_sample_of_the_promises_is_compared_with_the_truth() {
        let rate = Some(AdmissionRate { low: 0.75, high: 1.0 });
        let reading = |second: i64, last_number, admitted_through, pace: u64| Reading {
            at: second * 1000,
            conditions: (Epoch(1), pace),
            last_number,
            admitted_through,
            waiting: last_number - admitted_through,
        };
        let waits = PromisedWaits::default();
        let (waits, errors) = waits.with(reading(0, 21, 0, 1), rate);
        assert_eq!((waits.pending.len(), errors.len()), (1, 0));
        // The next sample is taken after 5 s, of a later number.
        let (waits, _) = waits.with(reading(4, 30, 4, 1), rate);
        let (waits, _) = waits.with(reading(5, 31, 5, 1), rate);
        assert_eq!(waits.pending.len(), 2);
        let (waits, errors) = waits.with(reading(40, 31, 21, 1), rate);
        assert_eq!(errors, [0.25], "at most 30 s were promised, and it took 40 s");
        let (waits, errors) = waits.with(reading(50, 31, 31, 2), rate);
        assert!(errors.is_empty() && waits.pending.is_empty(), "the pace has changed");
    }
}
