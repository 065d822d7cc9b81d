//! The time that calls took, and the resulting advice on the limits of release.

use domain::Pace;
use serde_json::{Value, json};

/// Micros of a pace to calls a second, and milliseconds to seconds.
const MICRO_MS: f64 = 1_000_000.0 * 1000.0;

/// The times of consecutive calls.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Speed {
    /// Calls with a response.
    pub(super) calls: usize,
    /// The median, in milliseconds.
    pub(super) p50_ms: f64,
    /// The 99th percentile, in milliseconds.
    pub(super) p99_ms: f64,
}

impl Speed {
    /// The percentiles of these times in milliseconds; `None` without times.
    pub(super) fn of(mut took_ms: Vec<f64>) -> Option<Self> {
        took_ms.sort_by(f64::total_cmp);
        let at = |percent: usize| took_ms.get((took_ms.len() * percent).div_ceil(100).max(1) - 1).copied();
        Some(Self { calls: took_ms.len(), p50_ms: at(50)?, p99_ms: at(99)? })
    }

    /// Calls that are open at once at this pace, by Little's law (L = λW): on average, and when all are as slow as the slowest.
    pub(super) fn open_at(&self, pace: Pace) -> (f64, f64) {
        #[expect(clippy::cast_precision_loss, reason = "a pace is far below 2^53 millionths")]
        let micro = pace.micro() as f64;
        (micro * self.p50_ms / MICRO_MS, micro * self.p99_ms / MICRO_MS)
    }

    /// The advice on the two limits of release.
    pub(super) fn advice(&self, pace: Pace) -> String {
        let (usual, most) = self.open_at(pace);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small positive number"
        )]
        let in_flight_max = most.ceil() as u64 + 1;
        let one_by_one = 1000.0 / self.p50_ms.max(0.1);
        format!(
            "at a pace of {pace}/s {usual:.1} calls are in flight on average, {most:.1} if all are as slow as the p99 (Little's law): in_flight_max = \
             {in_flight_max} or more. One call at a time creates {one_by_one:.0} orders a second; only a load test shows whether concurrent calls are as fast"
        )
    }

    /// The JSON form.
    pub(super) fn to_json(&self) -> Value {
        json!({ "calls": self.calls, "p50_ms": self.p50_ms, "p99_ms": self.p99_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let speed = Speed::of((1..=200).rev().map(f64::from).collect()).unwrap();
        assert_eq!(speed, Speed { calls: 200, p50_ms: 100.0, p99_ms: 198.0 });
        assert_eq!(Speed::of(vec![7.0]), Some(Speed { calls: 1, p50_ms: 7.0, p99_ms: 7.0 }));
        assert_eq!(Speed::of(Vec::new()), None);
    }

    #[test]
    fn pace_times_time_is_how_many_are_open() {
        let speed = Speed { calls: 20, p50_ms: 50.0, p99_ms: 250.0 };
        let (usual, most) = speed.open_at("20".parse().unwrap());
        assert!((usual - 1.0).abs() < 1e-9 && (most - 5.0).abs() < 1e-9);
        let advice = speed.advice("20".parse().unwrap());
        assert!(
            advice.contains("in_flight_max = 6") && advice.contains("creates 20 orders a second"),
            "{advice}"
        );
    }
}
