//! The rate at which the queue gives numbers.

use domain::Millis;

/// Measures how many numbers are given per second.
#[derive(Debug, Default)]
pub(crate) struct NumberRate {
    since: Millis,
    given_then: u32,
    per_second: u32,
}

impl NumberRate {
    /// Returns the numbers given per second, over the last second or more. `given` is how many numbers the queue has given so far,
    /// without those that it skipped: counted as a rate, each skip would make the next one several times longer.
    pub(crate) fn update(&mut self, given: u32, now: Millis) -> u32 {
        let elapsed = now - self.since;
        if elapsed >= 1000 {
            let per_second = i64::from(given.saturating_sub(self.given_then)) * 1000 / elapsed;
            let per_second = u32::try_from(per_second).unwrap_or(u32::MAX);
            *self = Self { since: now, given_then: given, per_second };
        }
        // Numbers of the current second count in full: the limit must follow a spike at once.
        self.per_second.max(given.saturating_sub(self.given_then))
    }
}
