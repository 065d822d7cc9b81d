//! The one place that reads the clock of the machine. Everybody else is handed a [`Now`].

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Answers the time when asked, in milliseconds since 1970-01-01 UTC; a test's answers what the test set.
pub type Now = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The clock of the machine.
pub fn system() -> Now {
    Arc::new(read)
}

#[expect(clippy::disallowed_methods, reason = "this is where the time comes from")]
fn read() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
