//! The system clock. This is the only place that reads it; all other code gets a [`Now`].

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the time in milliseconds since 1970-01-01 UTC. Tests use a clock that they set.
pub type Now = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The system clock.
pub fn system() -> Now {
    Arc::new(read)
}

/// The time of the system clock now, in milliseconds since 1970-01-01 UTC.
pub fn system_now() -> i64 {
    read()
}

#[expect(clippy::disallowed_methods, reason = "this is the clock that `Now` stands for")]
fn read() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
