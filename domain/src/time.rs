//! The types by which time and chance are handed in. The real clock and the real chance live in `service`.

use std::sync::Arc;

/// Milliseconds since 1970-01-01 UTC.
pub type Millis = i64;

/// Answers the time when asked; a test's answers what the test set.
pub type Now = Arc<dyn Fn() -> Millis + Send + Sync>;

/// Fills the bytes with chance; a test's is seeded.
pub type Rng = Arc<dyn Fn(&mut [u8]) + Send + Sync>;
