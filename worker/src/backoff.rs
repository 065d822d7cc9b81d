//! The wait before something that failed is tried again.

use domain::{Millis, Rng};

/// Shortest wait, before jitter.
const MIN_MS: Millis = 100;
/// Longest wait, before jitter.
const MAX_MS: Millis = 30_000;

/// Doubles from 0.1 s to 30 s, and adds up to as much again at random, so that what failed together is not repeated together.
pub(crate) fn backoff_ms(attempts: u32, rng: &Rng) -> Millis {
    let base = (MIN_MS << attempts.saturating_sub(1).min(10)).min(MAX_MS);
    let mut byte = [0];
    rng(&mut byte);
    base + base * Millis::from(byte[0]) / 255
}
