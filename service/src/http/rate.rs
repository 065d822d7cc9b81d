//! The lowest rate of a transfer. It ends when it has fallen too far behind, so that bytes in drips do not keep it open.

use std::time::Duration;

use tokio::time::Instant;

/// How far a transfer is behind its lowest rate. Only the time in which the other side is awaited counts.
#[derive(Debug)]
pub(super) struct MinimumRate {
    /// Zero if any progress is enough.
    bytes_per_second: u32,
    /// How far it may fall behind: a phone may lose its network for a moment.
    lag_max: Duration,
    /// How far it is behind. It is never ahead, so that a client cannot be quick first and then hold its request for long.
    lag: Duration,
    waiting_since: Option<Instant>,
}

impl MinimumRate {
    pub(super) fn new(bytes_per_second: u32, lag_max: Duration) -> Self {
        Self { bytes_per_second, lag_max, lag: Duration::ZERO, waiting_since: None }
    }

    /// Begins to wait, unless it waits already, and returns the time until which it may wait.
    pub(super) fn wait(&mut self) -> Instant {
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        since + self.lag_max.saturating_sub(self.lag)
    }

    /// Ends a wait for bytes that were counted already.
    pub(super) fn waited(&mut self) {
        self.waiting_since = None;
    }

    /// The time until which it may wait, while it waits.
    pub(super) fn deadline(&self) -> Option<Instant> {
        Some(self.waiting_since? + self.lag_max.saturating_sub(self.lag))
    }

    /// Ends a wait after which so many bytes were transferred.
    pub(super) fn transferred(&mut self, size: u64) {
        if let Some(since) = self.waiting_since.take() {
            let worth = (size * 1000).checked_div(u64::from(self.bytes_per_second));
            let worth = worth.map_or(Duration::MAX, Duration::from_millis);
            self.lag = (self.lag + since.elapsed()).saturating_sub(worth);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAG_MAX: Duration = Duration::from_secs(5);

    /// The rest of the wait, after a wait of `waited` and then so many bytes.
    fn rest(rate: &mut MinimumRate, waited: Duration, size: u64) -> Duration {
        rate.waiting_since = Instant::now().checked_sub(waited);
        rate.transferred(size);
        LAG_MAX.saturating_sub(rate.lag)
    }

    #[test]
    fn a_transfer_may_lag_behind_its_rate_and_never_gets_ahead_of_it() {
        let rate = &mut MinimumRate::new(1000, LAG_MAX);
        let is_about =
            |rest: Duration, seconds: u64| rest.abs_diff(Duration::from_secs(seconds)) < LAG_MAX / 10;
        assert!(is_about(rest(rate, Duration::from_secs(2), 0), 3));
        assert!(is_about(rest(rate, Duration::from_secs(1), 1000), 3), "it keeps its rate");
        assert!(is_about(rest(rate, Duration::ZERO, 1_000_000), 5), "what is sent quickly saves no time");
        assert!(is_about(rest(rate, Duration::from_secs(9), 0), 0));
    }

    #[test]
    fn without_a_rate_any_progress_is_enough() {
        let rate = &mut MinimumRate::new(0, LAG_MAX);
        for _ in 0..10 {
            assert_eq!(rest(rate, Duration::from_secs(4), 1), LAG_MAX);
        }
    }

    #[test]
    fn there_is_a_deadline_only_while_it_waits() {
        let rate = &mut MinimumRate::new(1000, LAG_MAX);
        assert_eq!(rate.deadline(), None);
        let deadline = rate.wait();
        assert_eq!((rate.wait(), rate.deadline()), (deadline, Some(deadline)));
        rate.transferred(1);
        assert_eq!(rate.deadline(), None);
    }
}
