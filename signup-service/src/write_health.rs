//! Whether the queue stores applications: for the health report and the log. No request is refused because of it.

use std::sync::atomic::{AtomicBool, Ordering};

use service::health::Check;

/// Whether applications can be stored. It reports changes, not each application.
pub(crate) struct WriteHealth {
    check: Check,
    is_failing: AtomicBool,
}

impl WriteHealth {
    /// Reports to this check, which starts as ok.
    pub(crate) fn new(check: Check) -> Self {
        check.ok();
        Self { check, is_failing: AtomicBool::new(false) }
    }

    /// Records that an application could not be stored.
    pub(crate) fn record_failure(&self, reason: &str) {
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            self.check.warn(reason);
            tracing::warn!(reason, "failed to store an application; further failures are not logged");
        }
    }

    /// Records that an application was stored, or refused by the rules of its event.
    pub(crate) fn record_success(&self) {
        // A load first: every application passes here, and a swap would write to a shared cache line.
        if self.is_failing.load(Ordering::Relaxed) && self.is_failing.swap(false, Ordering::Relaxed) {
            self.check.ok();
            tracing::info!("applications are stored again");
        }
    }
}
