//! The circuit breaker before the order service. After a run of calls without a clear response it allows only one call at a time, at
//! growing intervals. It is consulted before calls are leased, since a leased call has used the pace and must be made.

use domain::Millis;

/// Consecutive failures that open it.
const OPENS_AFTER: u32 = 5;
/// How long it stays open first.
const OPEN_MIN_MS: Millis = 500;
/// How long it stays open at most.
const OPEN_MAX_MS: Millis = 30_000;

/// Whether calls may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CircuitBreaker {
    /// Calls may start.
    Closed {
        /// Consecutive failures.
        failures: u32,
    },
    /// No call may start before `until`. Then one may, and others only after its response.
    Open {
        /// When the next call may start.
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
    /// Returns how many of the `wanted` calls may start now.
    pub(crate) fn allows(self, wanted: u32, in_flight: u32, now: Millis) -> u32 {
        match self {
            Self::Closed { .. } => wanted,
            Self::Open { until, .. } if now >= until && in_flight == 0 => wanted.min(1),
            Self::Open { .. } => 0,
        }
    }

    /// Returns the state after a call. `is_clear` means any clear response, a rejection too.
    pub(crate) fn after(self, is_clear: bool, now: Millis) -> Self {
        match self {
            _ if is_clear => Self::default(),
            Self::Closed { failures } if failures + 1 < OPENS_AFTER => {
                Self::Closed { failures: failures + 1 }
            }
            Self::Closed { .. } => Self::Open { until: now + OPEN_MIN_MS, for_ms: OPEN_MIN_MS },
            // The calls in flight when it opened add no information.
            Self::Open { until, .. } if now < until => self,
            Self::Open { for_ms, .. } => {
                let for_ms = (for_ms * 2).min(OPEN_MAX_MS);
                Self::Open { until: now + for_ms, for_ms }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after_failures(mut circuit_breaker: CircuitBreaker, times: u32, now: Millis) -> CircuitBreaker {
        for _ in 0..times {
            circuit_breaker = circuit_breaker.after(false, now);
        }
        circuit_breaker
    }

    #[test]
    fn a_run_of_failures_opens_it_and_one_response_closes_it() {
        assert_eq!(after_failures(CircuitBreaker::default(), OPENS_AFTER - 1, 0).allows(64, 0, 0), 64);
        let open = after_failures(CircuitBreaker::default(), OPENS_AFTER, 0);
        assert_eq!(open.allows(64, 0, 499), 0);
        assert_eq!(open.allows(64, 0, 500), 1);
        assert_eq!(open.allows(64, 1, 500), 0, "one call at a time");
        assert_eq!(open.after(true, 500).allows(64, 0, 500), 64);
    }

    #[test]
    fn the_open_time_doubles_up_to_30_s() {
        let mut circuit_breaker = after_failures(CircuitBreaker::default(), OPENS_AFTER, 0);
        let mut now = 0;
        for expected in [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
            let CircuitBreaker::Open { until, for_ms } = circuit_breaker else { panic!("closed") };
            assert_eq!((for_ms, until), (expected, now + expected));
            now = until;
            circuit_breaker = circuit_breaker.after(false, now);
        }
    }

    #[test]
    fn failures_of_calls_in_flight_do_not_lengthen_the_open_time() {
        let open = after_failures(CircuitBreaker::default(), OPENS_AFTER, 0);
        assert_eq!(after_failures(open, 60, 100), open);
    }
}
