//! The rate at which the queue gives numbers.

use domain::Millis;

/// Measures how many numbers are given per second.
#[derive(Debug, Default)]
pub(crate) struct NumberRate {
    since: Millis,
    seq_then: u32,
    per_second: u32,
}

impl NumberRate {
    /// Returns the numbers given per second, over the last second or more.
    pub(crate) fn update(&mut self, seq: u32, now: Millis) -> u32 {
        let elapsed = now - self.since;
        if elapsed >= 1000 {
            let per_second = i64::from(seq.saturating_sub(self.seq_then)) * 1000 / elapsed;
            let per_second = u32::try_from(per_second).unwrap_or(u32::MAX);
            *self = Self { since: now, seq_then: seq, per_second };
        }
        // Numbers of the current second count in full: the limit must follow a spike at once.
        self.per_second.max(seq.saturating_sub(self.seq_then))
    }
}
