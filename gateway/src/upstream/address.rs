//! One address of a service, and whether it accepts connections. An address that does not is passed over for a while; then one
//! request probes it, and only when that succeeds do others follow.

use std::ops::RangeInclusive;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// One address of a service.
pub(super) struct Address {
    /// Host and port; the name is resolved for each connection, because a service may move.
    text: String,
    /// The first and the longest time for which it is passed over.
    backoff: RangeInclusive<Duration>,
    state: Mutex<Reachability>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reachability {
    Reachable,
    /// Passed over until then. A silent address swallows packets, so that every attempt costs the connect timeout; another
    /// refuses at once, and may be tried when nothing else is left.
    Away {
        until: Instant,
        backoff: Duration,
        silent: bool,
    },
    /// One attempt is under way.
    Probed {
        backoff: Duration,
    },
}

/// An attempt to connect. One that is dropped, because its client has left, counts as failed.
pub(super) struct Attempt<'a> {
    address: &'a Address,
    done: bool,
}

impl Address {
    pub(super) fn new(text: String, backoff: RangeInclusive<Duration>) -> Self {
        Self { text, backoff, state: Mutex::new(Reachability::Reachable) }
    }

    /// Begins an attempt; `None` while the address is passed over. As a last resort an address that refuses is tried all the same.
    pub(super) fn begin(&self, now: Instant, last_resort: bool) -> Option<Attempt<'_>> {
        let mut state = self.state.lock();
        match *state {
            Reachability::Reachable => {}
            Reachability::Away { until, backoff, .. } if now >= until => {
                *state = Reachability::Probed { backoff }
            }
            Reachability::Away { silent: false, .. } if last_resort => {}
            Reachability::Away { .. } | Reachability::Probed { .. } => return None,
        }
        Some(Attempt { address: self, done: false })
    }

    fn failed(&self, now: Instant, silent: bool) {
        let mut state = self.state.lock();
        let backoff = match *state {
            Reachability::Reachable => *self.backoff.start(),
            Reachability::Probed { backoff } => (backoff * 2).min(*self.backoff.end()),
            // Another attempt of the same moment has failed before.
            Reachability::Away { .. } => return,
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

    /// The address did not; `silent` if it sent no answer at all.
    pub(super) fn failed(mut self, now: Instant, silent: bool) {
        self.done = true;
        self.address.failed(now, silent);
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let was_probe = matches!(*self.address.state.lock(), Reachability::Probed { .. });
        if !self.done && was_probe {
            self.address.failed(Instant::now(), true);
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
        assert!(address.begin(Instant::now() + 3 * FIRST, false).is_some());
    }
}
