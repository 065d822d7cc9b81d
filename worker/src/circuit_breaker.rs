//! The breaker before the order service: after a run of unanswered calls it lets only one try through at a time, later and later.
//! It is the worker's own, since a call that was leased is paid for and must be answered, not dropped.

use domain::Millis;

/// Unanswered calls in a row that open it.
const OPENS_AFTER: u32 = 5;
/// First and longest time that it stays open.
const OPEN_MS: (Millis, Millis) = (500, 30_000);

/// Whether calls may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CircuitBreaker {
    /// They may.
    Closed {
        /// Unanswered in a row.
        failures: u32,
    },
    /// None before `until`; then one, and only after its answer more.
    Open {
        /// When the next try is allowed.
        until: Millis,
        /// How long it is open this time.
        for_ms: Millis,
    },
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl CircuitBreaker {
    /// How many calls may be started now, of `wanted`.
    pub fn allows(self, wanted: u32, under_way: u32, now: Millis) -> u32 {
        match self {
            Self::Closed { .. } => wanted,
            Self::Open { until, .. } if now >= until && under_way == 0 => wanted.min(1),
            Self::Open { .. } => 0,
        }
    }

    /// After a call; `answered` is any definite word, a no too.
    pub fn after(self, answered: bool, now: Millis) -> Self {
        match self {
            _ if answered => Self::default(),
            Self::Closed { failures } if failures + 1 < OPENS_AFTER => {
                Self::Closed { failures: failures + 1 }
            }
            Self::Closed { .. } => Self::Open { until: now + OPEN_MS.0, for_ms: OPEN_MS.0 },
            // Calls that were under way when it opened say nothing new.
            Self::Open { until, .. } if now < until => self,
            Self::Open { for_ms, .. } => {
                let for_ms = (for_ms * 2).min(OPEN_MS.1);
                Self::Open { until: now + for_ms, for_ms }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(mut circuit_breaker: CircuitBreaker, times: u32, now: Millis) -> CircuitBreaker {
        for _ in 0..times {
            circuit_breaker = circuit_breaker.after(false, now);
        }
        circuit_breaker
    }

    #[test]
    fn a_run_of_silence_opens_it_and_one_answer_closes_it() {
        assert_eq!(failed(CircuitBreaker::default(), OPENS_AFTER - 1, 0).allows(64, 0, 0), 64);
        let open = failed(CircuitBreaker::default(), OPENS_AFTER, 0);
        assert_eq!(open.allows(64, 0, 499), 0);
        assert_eq!(open.allows(64, 0, 500), 1);
        assert_eq!(open.allows(64, 1, 500), 0, "one try at a time");
        assert_eq!(open.after(true, 500).allows(64, 0, 500), 64);
    }

    #[test]
    fn it_stays_open_longer_and_longer_up_to_half_a_minute() {
        let (mut circuit_breaker, mut now) = (failed(CircuitBreaker::default(), OPENS_AFTER, 0), 0);
        for expected in [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
            let CircuitBreaker::Open { until, for_ms } = circuit_breaker else { panic!("closed") };
            assert_eq!((for_ms, until), (expected, now + expected));
            now = until;
            circuit_breaker = circuit_breaker.after(false, now);
        }
    }

    #[test]
    fn calls_that_were_under_way_do_not_lengthen_it() {
        let open = failed(CircuitBreaker::default(), OPENS_AFTER, 0);
        assert_eq!(failed(open, 60, 100), open);
    }
}
