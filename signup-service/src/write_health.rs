//! Whether the queue can be written, as the signup service sees it: for the health report and the log. It refuses no request.

use std::sync::atomic::{AtomicBool, Ordering};

use service::health::Check;

/// Whether applications can be stored: said when it changes, not for each of a crowd.
pub(crate) struct WriteHealth {
    check: Check,
    failing: AtomicBool,
}

impl WriteHealth {
    /// Reported as this check; fine until told otherwise.
    pub(crate) fn watched_by(check: Check) -> Self {
        check.ok();
        Self { check, failing: AtomicBool::new(false) }
    }

    /// One could not be stored.
    pub(crate) fn failed(&self, why: &str) {
        if !self.failing.swap(true, Ordering::Relaxed) {
            self.check.warn(why);
            tracing::warn!(why, "applications cannot be stored");
        }
    }

    /// One was stored, or refused by the rules.
    pub(crate) fn done(&self) {
        // Only read as long as all is well: every application passes here.
        if self.failing.load(Ordering::Relaxed) && self.failing.swap(false, Ordering::Relaxed) {
            self.check.ok();
            tracing::info!("applications are stored again");
        }
    }
}
