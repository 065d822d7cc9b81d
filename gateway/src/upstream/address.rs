//! One address of a service, and whether it accepts connections. An address that does not is skipped for a back-off; then one
//! request probes it, and the others follow only when the probe has succeeded.

use std::ops::RangeInclusive;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// One address of a service.
pub(super) struct Address {
    /// Host and port; the name is resolved for each connection, because a service may move.
    text: String,
    /// The first and the longest time of its back-off.
    backoff: RangeInclusive<Duration>,
    state: Mutex<Reachability>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reachability {
    Reachable,
    /// Skipped until then. A silent address drops packets, so that each attempt takes the whole connect timeout; any other
    /// refuses at once, and may be tried as a last resort.
    Away {
        until: Instant,
        backoff: Duration,
        silent: bool,
    },
    /// One attempt is in progress.
    Probed {
        backoff: Duration,
    },
}

/// An attempt to connect. A probe that is dropped, because its client has left, says nothing about the address: the next request
/// may probe at once, so that clients cannot lengthen the back-off by leaving.
pub(super) struct Attempt<'a> {
    address: &'a Address,
    is_probe: bool,
    done: bool,
}

impl Address {
    pub(super) fn new(text: String, backoff: RangeInclusive<Duration>) -> Self {
        Self { text, backoff, state: Mutex::new(Reachability::Reachable) }
    }

    /// Begins an attempt; `None` while the address is skipped. As a last resort an address that refuses is tried too.
    pub(super) fn begin(&self, now: Instant, last_resort: bool) -> Option<Attempt<'_>> {
        let mut state = self.state.lock();
        let is_probe = match *state {
            Reachability::Reachable => false,
            Reachability::Away { until, backoff, .. } if now >= until => {
                *state = Reachability::Probed { backoff };
                true
            }
            Reachability::Away { silent: false, .. } if last_resort => false,
            Reachability::Away { .. } | Reachability::Probed { .. } => return None,
        };
        Some(Attempt { address: self, is_probe, done: false })
    }

    fn failed(&self, now: Instant, silent: bool, is_probe: bool) {
        let mut state = self.state.lock();
        let backoff = match *state {
            Reachability::Reachable => *self.backoff.start(),
            Reachability::Probed { backoff } if is_probe => (backoff * 2).min(*self.backoff.end()),
            // An older attempt: a later one has failed already, or the probe decides.
            Reachability::Probed { .. } | Reachability::Away { .. } => return,
        };
        *state = Reachability::Away { until: now + backoff, backoff, silent };
    }
}

impl<'a> Attempt<'a> {
    /// Host and port.
    pub(super) fn address(&self) -> &'a str {
        &self.address.text
    }

    /// The address accepted the connection.
    pub(super) fn succeeded(mut self) {
        self.done = true;
        *self.address.state.lock() = Reachability::Reachable;
    }

    /// The address did not accept it; `silent` if it sent no reply at all.
    pub(super) fn failed(mut self, now: Instant, silent: bool) {
        self.done = true;
        self.address.failed(now, silent, self.is_probe);
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.done || !self.is_probe {
            return;
        }
        let mut state = self.address.state.lock();
        if let Reachability::Probed { backoff } = *state {
            *state = Reachability::Away { until: Instant::now(), backoff, silent: true };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(1);

    fn address() -> Address {
        Address::new("shop:80".into(), FIRST..=Duration::from_secs(10))
    }

    #[test]
    fn a_silent_address_is_probed_by_one_request_at_a_time_and_later_and_later() {
        let address = address();
        let mut now = Instant::now();
        address.begin(now, false).unwrap().failed(now, true);
        for seconds in [1, 2, 4, 8, 10, 10] {
            let almost = now + Duration::from_millis(seconds * 1000 - 1);
            assert!(address.begin(almost, true).is_none(), "{seconds} s");
            now += Duration::from_secs(seconds);
            let probe = address.begin(now, false).unwrap();
            assert!(address.begin(now, true).is_none(), "one probe at a time");
            probe.failed(now, true);
        }
        now += Duration::from_secs(10);
        address.begin(now, false).unwrap().succeeded();
        assert!(address.begin(now, false).is_some() && address.begin(now, false).is_some());
    }

    #[test]
    fn attempts_of_one_moment_that_fail_together_count_once() {
        let address = address();
        let now = Instant::now();
        let attempts: Vec<_> = (0..5).map(|_| address.begin(now, false).unwrap()).collect();
        for attempt in attempts {
            attempt.failed(now, true);
        }
        assert!(address.begin(now + FIRST, false).is_some());
    }

    #[test]
    fn an_address_that_refuses_is_tried_as_a_last_resort() {
        let address = address();
        let now = Instant::now();
        address.begin(now, false).unwrap().failed(now, false);
        assert!(address.begin(now, false).is_none());
        address.begin(now, true).unwrap().succeeded();
        assert!(address.begin(now, false).is_some());
    }

    #[test]
    fn a_probe_whose_client_leaves_frees_the_address_for_the_next() {
        let address = address();
        let now = Instant::now();
        address.begin(now, false).unwrap().failed(now, true);
        drop(address.begin(now + FIRST, false).unwrap());
        assert!(address.begin(Instant::now(), false).is_some());
    }

    #[test]
    fn an_older_attempt_does_not_end_a_probe() {
        let address = address();
        let now = Instant::now();
        let older = address.begin(now, false).unwrap();
        address.begin(now, false).unwrap().failed(now, true);
        let probe = address.begin(now + FIRST, false).unwrap();
        older.failed(now + FIRST, true);
        assert!(address.begin(now + 5 * FIRST, false).is_none(), "the probe is still in progress");
        probe.succeeded();
        assert!(address.begin(now + FIRST, false).is_some());
    }
}
