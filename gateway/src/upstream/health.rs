//! The health of one address of a service. An address that accepts no connection, or from which several requests in a row got no
//! response, is away for a back-off; then one request probes it, and the others follow only when the probe has succeeded. An address
//! that returns takes its share of the requests step by step, because a process that has just started is slow.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// So many requests in a row without a response end the use of an address, if enough others are in use.
const FAILURES_MAX: u32 = 3;
/// How much later than a read another request probes an unresponsive address, because such a probe may be lost.
const PROBE_PATIENCE: Duration = Duration::from_secs(5);
/// How long an address that returns has less than its share.
const SLOW_START: Duration = Duration::from_secs(10);
/// The whole weight of an address, and the least one.
pub(super) const WEIGHT_MAX: usize = 1000;
const WEIGHT_MIN: usize = 100;

/// The first and the longest back-offs.
#[derive(Debug, Clone)]
pub(super) struct Backoffs {
    /// Of an address that accepts no connection.
    pub(super) unreachable: RangeInclusive<Duration>,
    /// Of an address that accepts connections, and does not respond: each probe costs a client its request.
    pub(super) unresponsive: RangeInclusive<Duration>,
}

/// Why an address is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AwayReason {
    /// It refuses connections at once.
    Refusing,
    /// It sends no reply at all, so that each attempt takes the whole connect timeout.
    Silent,
    /// It accepts connections, and does not respond to requests.
    Unresponsive,
}

#[derive(Debug, Clone, Copy)]
enum AddressState {
    Normal,
    /// It was away until `since`, for this back-off at last.
    Returned {
        since: Instant,
        backoff: Duration,
    },
    Away {
        until: Instant,
        backoff: Duration,
        reason: AwayReason,
    },
    /// One request is under way.
    Probed {
        backoff: Duration,
        reason: AwayReason,
    },
}

/// Whether an address is used.
#[derive(Debug)]
pub(super) struct AddressHealth {
    state: Mutex<AddressState>,
    backoffs: Backoffs,
    /// Whether the state is `Normal`, so that nearly all requests need no lock.
    is_normal: AtomicBool,
    /// Requests in a row without a response.
    failures: AtomicU32,
}

impl AddressHealth {
    pub(super) fn new(backoffs: Backoffs) -> Self {
        let state = Mutex::new(AddressState::Normal);
        Self { state, backoffs, is_normal: AtomicBool::new(true), failures: AtomicU32::new(0) }
    }

    /// Whether the address has its whole share of the requests.
    pub(super) fn is_normal(&self) -> bool {
        self.is_normal.load(Ordering::Relaxed)
    }

    /// The share of the requests, of [`WEIGHT_MAX`]; zero while the address is away.
    pub(super) fn weight(&self, now: Instant) -> usize {
        if self.is_normal() {
            return WEIGHT_MAX;
        }
        match *self.state.lock() {
            AddressState::Normal => WEIGHT_MAX,
            AddressState::Returned { since, .. } => weight_after(now.saturating_duration_since(since)),
            AddressState::Away { .. } | AddressState::Probed { .. } => 0,
        }
    }

    /// Begins a probe if one is due. `is_read` if losing the request loses nothing; a connection that is not accepted loses no request.
    pub(super) fn begin_probe(&self, now: Instant, is_read: bool) -> bool {
        let mut state = self.state.lock();
        let AddressState::Away { until, backoff, reason } = *state else { return false };
        let may_be_lost = !is_read && reason == AwayReason::Unresponsive;
        let is_due = now >= if may_be_lost { until + PROBE_PATIENCE } else { until };
        if is_due {
            *state = AddressState::Probed { backoff, reason };
        }
        is_due
    }

    /// Whether the address is away because it sends no reply at all.
    pub(super) fn is_silent(&self) -> bool {
        match *self.state.lock() {
            AddressState::Away { reason, .. } | AddressState::Probed { reason, .. } => {
                reason == AwayReason::Silent
            }
            AddressState::Normal | AddressState::Returned { .. } => false,
        }
    }

    /// The address accepted a connection. That ends its absence, and then this is true, unless it was away because it did not
    /// respond.
    pub(super) fn connected(&self, now: Instant) -> bool {
        let mut state = self.state.lock();
        if let AddressState::Away { backoff, reason, .. } | AddressState::Probed { backoff, reason } = *state
            && reason != AwayReason::Unresponsive
        {
            *state = AddressState::Returned { since: now, backoff };
            return true;
        }
        false
    }

    /// The address accepted no connection.
    pub(super) fn refused(&self, now: Instant, reason: AwayReason, is_probe: bool) {
        self.leave(now, reason, is_probe);
    }

    /// A response arrived.
    pub(super) fn responded(&self, now: Instant, is_probe: bool) {
        // Nearly always zero, and loading it is cheaper than storing.
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
        if !is_probe {
            return;
        }
        let mut state = self.state.lock();
        if let AddressState::Probed { backoff, .. } = *state {
            *state = AddressState::Returned { since: now, backoff };
        }
    }

    /// A request got no response. True if the address is away from now on, which it is only if enough others are in use.
    pub(super) fn failed(&self, now: Instant, is_probe: bool, is_ejectable: bool) -> bool {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if !is_probe && (failures < FAILURES_MAX || !is_ejectable) {
            return false;
        }
        let has_left = self.leave(now, AwayReason::Unresponsive, is_probe);
        if has_left {
            self.failures.store(0, Ordering::Relaxed);
        }
        has_left
    }

    /// A probe ended without a result, because its client has left. The next one follows at once, so that clients cannot lengthen
    /// the back-off by leaving; but one that got no response for a while counts as a failure that lengthens nothing.
    pub(super) fn probe_abandoned(&self, now: Instant, has_waited: bool) {
        let mut state = self.state.lock();
        if let AddressState::Probed { backoff, reason } = *state {
            let until = if has_waited && reason == AwayReason::Unresponsive { now + backoff } else { now };
            *state = AddressState::Away { until, backoff, reason };
        }
    }

    /// Whether the address has had its whole share for so long that its absence is forgotten.
    pub(super) fn forget_absence(&self, now: Instant) {
        if self.is_normal() {
            return;
        }
        let mut state = self.state.lock();
        if let AddressState::Returned { since, .. } = *state
            && now.saturating_duration_since(since) >= *self.backoffs.unresponsive.end()
        {
            *state = AddressState::Normal;
            self.is_normal.store(true, Ordering::Relaxed);
        }
    }

    fn leave(&self, now: Instant, reason: AwayReason, is_probe: bool) -> bool {
        let mut state = self.state.lock();
        let range = match reason {
            AwayReason::Unresponsive => &self.backoffs.unresponsive,
            AwayReason::Refusing | AwayReason::Silent => &self.backoffs.unreachable,
        };
        let backoff = match *state {
            AddressState::Normal => *range.start(),
            AddressState::Returned { backoff, .. } => backoff * 2,
            AddressState::Probed { backoff, .. } if is_probe => backoff * 2,
            // An older request: a later one has failed already, or the probe decides.
            AddressState::Probed { .. } | AddressState::Away { .. } => return false,
        };
        let backoff = backoff.clamp(*range.start(), *range.end());
        *state = AddressState::Away { until: now + backoff, backoff, reason };
        self.is_normal.store(false, Ordering::Relaxed);
        true
    }
}

/// The weight of an address that has been back for so long.
fn weight_after(time: Duration) -> usize {
    let part = time.as_millis() * WEIGHT_MAX as u128 / SLOW_START.as_millis();
    usize::try_from(part).unwrap_or(WEIGHT_MAX).clamp(WEIGHT_MIN, WEIGHT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use AwayReason::{Refusing, Silent, Unresponsive};

    const FIRST: Duration = Duration::from_secs(1);

    fn health() -> AddressHealth {
        AddressHealth::new(Backoffs {
            unreachable: FIRST..=Duration::from_secs(10),
            unresponsive: FIRST..=Duration::from_mins(1),
        })
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_address_is_probed_by_one_request_at_a_time_and_later_and_later() {
        for (reason, backoffs) in
            [(Silent, [1, 2, 4, 8, 10, 10, 10]), (Unresponsive, [1, 2, 4, 8, 16, 32, 60])]
        {
            let (health, mut now) = (health(), Instant::now());
            assert!(health.leave(now, reason, false));
            for backoff in backoffs {
                assert!(
                    !health.begin_probe(now + seconds(backoff) - Duration::from_millis(1), true),
                    "{backoff} s"
                );
                now += seconds(backoff);
                assert!(
                    health.begin_probe(now, true) && !health.begin_probe(now, true),
                    "one probe at a time"
                );
                assert_eq!(health.weight(now), 0);
                assert!(health.leave(now, reason, true));
            }
            assert!(health.begin_probe(now + seconds(60), true));
            health.responded(now + seconds(60), true);
            assert!(health.weight(now + seconds(60)) > 0);
        }
    }

    #[test]
    fn three_requests_in_a_row_without_a_response_end_the_use_of_an_address() {
        let (health, now) = (health(), Instant::now());
        for _ in 0..10 {
            assert!(!health.failed(now, false, true) && !health.failed(now, false, true));
            health.responded(now, false);
        }
        assert!(!health.failed(now, false, true) && !health.failed(now, false, true));
        assert!(health.failed(now, false, true));
        assert_eq!(health.weight(now), 0);
        health.responded(now, false);
        assert!(!health.connected(now));
        assert_eq!(health.weight(now), 0, "an older response and a mere connection prove nothing");
    }

    #[test]
    fn an_address_that_cannot_be_replaced_stays_in_use() {
        let (health, now) = (health(), Instant::now());
        assert!((0..100).all(|_| !health.failed(now, false, false)));
        assert!(health.failed(now, false, true), "another address has returned");
    }

    #[test]
    fn requests_of_one_moment_that_fail_together_count_once() {
        let (health, now) = (health(), Instant::now());
        let left = (0..20).filter(|_| health.failed(now, false, true)).count();
        assert_eq!(left, 1);
        for _ in 0..5 {
            health.refused(now, Silent, false);
        }
        assert!(health.begin_probe(now + FIRST, true));
    }

    #[test]
    fn an_address_that_returns_takes_its_share_step_by_step() {
        let (health, now) = (health(), Instant::now());
        health.refused(now, Refusing, false);
        assert!(health.begin_probe(now + FIRST, true));
        let back = now + FIRST;
        assert!(health.connected(back));
        let weights = [0, 1, 5, 10, 30].map(|after| health.weight(back + seconds(after)));
        assert_eq!(weights, [100, 100, 500, 1000, 1000]);
        health.forget_absence(back + seconds(59));
        assert!(!health.is_normal());
        health.forget_absence(back + seconds(60));
        assert!(health.is_normal());
    }

    #[test]
    fn an_address_that_fails_soon_after_its_return_is_away_for_longer() {
        let (health, mut now) = (health(), Instant::now());
        for backoff in [1, 2, 4, 8] {
            while !health.failed(now, false, true) {}
            assert!(
                !health.begin_probe(now + seconds(backoff) - Duration::from_millis(1), true),
                "{backoff} s"
            );
            now += seconds(backoff);
            assert!(health.begin_probe(now, true));
            health.responded(now, true);
        }
    }

    #[test]
    fn only_a_probe_that_may_be_lost_is_left_to_reads_for_a_while() {
        for (reason, patience) in [(Refusing, 0), (Silent, 0), (Unresponsive, 5)] {
            let (health, now) = (health(), Instant::now());
            health.leave(now, reason, false);
            let due = now + FIRST + seconds(patience);
            assert!(!health.begin_probe(due - Duration::from_millis(1), false), "{reason:?}");
            assert!(health.begin_probe(due, false), "{reason:?}");
        }
    }

    #[test]
    fn a_probe_whose_client_leaves_frees_the_address_for_the_next() {
        let (health, now) = (health(), Instant::now());
        health.leave(now, Unresponsive, false);
        let now = now + FIRST;
        assert!(health.begin_probe(now, true));
        health.probe_abandoned(now, false);
        assert!(health.begin_probe(now, true));
        health.probe_abandoned(now, true);
        assert!(!health.begin_probe(now, true), "it got no response while its client waited");
        assert!(health.begin_probe(now + FIRST, true));
    }

    #[test]
    fn an_older_request_does_not_end_a_probe() {
        let (health, now) = (health(), Instant::now());
        health.refused(now, Silent, false);
        assert!(health.begin_probe(now + FIRST, true));
        health.refused(now + FIRST, Silent, false);
        assert!(!health.begin_probe(now + 5 * FIRST, true), "the probe is still in progress");
        assert!(health.connected(now + FIRST));
        assert!(health.weight(now + FIRST) > 0);
    }
}
