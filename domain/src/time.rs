//! The types by which time and random bytes are passed in. The system's clock and random source are in `service`.

use std::sync::Arc;

/// Milliseconds since 1970-01-01 UTC.
pub type Millis = i64;

/// Returns the current time. Tests use a clock that they set.
pub type Now = Arc<dyn Fn() -> Millis + Send + Sync>;

/// Fills the bytes with random ones. Tests use a seeded one.
pub type Rng = Arc<dyn Fn(&mut [u8]) + Send + Sync>;
