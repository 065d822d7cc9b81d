//! Limits attempts per minute against guessing of recovery codes and tokens. Its memory is fixed: two clients that fall into one slot
//! share a count, which can only make the limit stricter. It does not limit load.

use std::hash::{DefaultHasher, Hash, Hasher};

use parking_lot::Mutex;

use crate::entropy::Rng;

/// One MiB.
const SLOTS: usize = 1 << 16;
const MINUTE_MS: i64 = 60_000;

/// The attempts of the current minute of a slot.
#[derive(Debug, Clone, Copy, Default)]
struct MinuteWindow {
    since: i64,
    attempts: u32,
}

/// Counts of attempts in fixed windows of a minute.
#[derive(Debug)]
pub struct AttemptLimiter {
    seed: u64,
    slots: Mutex<Vec<MinuteWindow>>,
}

impl AttemptLimiter {
    /// A limiter whose slots cannot be predicted by clients.
    pub fn new(rng: &Rng) -> Self {
        let mut seed = [0; 8];
        rng(&mut seed);
        Self { seed: u64::from_be_bytes(seed), slots: Mutex::new(vec![MinuteWindow::default(); SLOTS]) }
    }

    /// Counts an attempt at the time `now`. Above `max_per_minute` returns the seconds to wait.
    pub fn try_now(&self, client: impl Hash, max_per_minute: u32, now: i64) -> Result<(), u32> {
        let mut slots = self.slots.lock();
        let window = &mut slots[self.slot(client)];
        if !(0..MINUTE_MS).contains(&(now - window.since)) {
            *window = MinuteWindow { since: now, attempts: 0 };
        }
        window.attempts = window.attempts.saturating_add(1);
        if window.attempts <= max_per_minute {
            return Ok(());
        }
        let left_ms = window.since + MINUTE_MS - now;
        Err(u32::try_from(left_ms.unsigned_abs().div_ceil(1000)).unwrap_or(60))
    }

    fn slot(&self, client: impl Hash) -> usize {
        let mut hasher = DefaultHasher::new();
        (self.seed, client).hash(&mut hasher);
        usize::try_from(hasher.finish() % SLOTS as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn limiter() -> AttemptLimiter {
        let rng: Rng = Arc::new(|bytes: &mut [u8]| bytes.fill(7));
        AttemptLimiter::new(&rng)
    }

    #[test]
    fn attempts_over_the_limit_fail_until_the_minute_ends() {
        let limiter = limiter();
        for _ in 0..10 {
            assert_eq!(limiter.try_now("a", 10, 100_000), Ok(()));
        }
        assert_eq!(limiter.try_now("a", 10, 100_000), Err(60));
        assert_eq!(limiter.try_now("a", 10, 159_999), Err(1));
        assert_eq!(limiter.try_now("b", 10, 159_999), Ok(()));
        assert_eq!(limiter.try_now("a", 10, 160_000), Ok(()));
    }

    #[test]
    fn a_clock_that_goes_back_starts_a_new_minute() {
        let limiter = limiter();
        assert_eq!(limiter.try_now("a", 1, 100_000), Ok(()));
        assert_eq!(limiter.try_now("a", 1, 50_000), Ok(()));
    }
}
