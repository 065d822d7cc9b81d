//! Counts tries a minute, against guessing only: recovery codes, tokens. Its memory is fixed: two clients that fall into one slot
//! share a count, which makes it stricter, never laxer. It is no limit on load.

use std::hash::{DefaultHasher, Hash, Hasher};

use parking_lot::Mutex;

use crate::entropy::Rng;

/// One MiB.
const SLOTS: usize = 1 << 16;
const WINDOW_MS: i64 = 60_000;

#[derive(Debug, Clone, Copy, Default)]
struct MinuteWindow {
    since: i64,
    tries: u32,
}

/// Counts of tries in fixed windows of a minute.
#[derive(Debug)]
pub struct AttemptLimiter {
    seed: u64,
    windows: Mutex<Vec<MinuteWindow>>,
}

impl AttemptLimiter {
    /// Counts whose windows nobody outside can predict.
    pub fn new(rng: &Rng) -> Self {
        let mut seed = [0; 8];
        rng(&mut seed);
        Self { seed: u64::from_be_bytes(seed), windows: Mutex::new(vec![MinuteWindow::default(); SLOTS]) }
    }

    /// Counts a try; over `most` a minute it is refused, with the seconds to wait.
    pub fn try_now(&self, who: impl Hash, most: u32, now: i64) -> Result<(), u32> {
        let mut windows = self.windows.lock();
        let window = &mut windows[self.window(who)];
        if !(0..WINDOW_MS).contains(&(now - window.since)) {
            *window = MinuteWindow { since: now, tries: 0 };
        }
        window.tries = window.tries.saturating_add(1);
        if window.tries <= most {
            return Ok(());
        }
        let left = window.since + WINDOW_MS - now;
        Err(u32::try_from(left.unsigned_abs().div_ceil(1000)).unwrap_or(60))
    }

    fn window(&self, who: impl Hash) -> usize {
        let mut hasher = DefaultHasher::new();
        (self.seed, who).hash(&mut hasher);
        usize::try_from(hasher.finish() % SLOTS as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn guesses() -> AttemptLimiter {
        let rng: Rng = Arc::new(|bytes: &mut [u8]| bytes.fill(7));
        AttemptLimiter::new(&rng)
    }

    #[test]
    fn tries_over_the_most_are_refused_until_the_minute_is_over() {
        let guesses = guesses();
        for _ in 0..10 {
            assert_eq!(guesses.try_now("a", 10, 100_000), Ok(()));
        }
        assert_eq!(guesses.try_now("a", 10, 100_000), Err(60));
        assert_eq!(guesses.try_now("a", 10, 159_999), Err(1));
        assert_eq!(guesses.try_now("b", 10, 159_999), Ok(()));
        assert_eq!(guesses.try_now("a", 10, 160_000), Ok(()));
    }

    #[test]
    fn a_clock_that_goes_back_locks_nobody_out() {
        let guesses = guesses();
        assert_eq!(guesses.try_now("a", 1, 100_000), Ok(()));
        assert_eq!(guesses.try_now("a", 1, 50_000), Ok(()));
    }
}
