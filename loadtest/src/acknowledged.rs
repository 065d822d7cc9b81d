//! The record of the responses to a crowd: receipts, refusals and contract violations.

use parking_lot::{Mutex, MutexGuard};

/// Contract violations that are reported in full; more are only counted.
const REPORTED_MAX: usize = 20;

/// The record that all simulated applicants share.
#[derive(Debug, Default)]
pub(crate) struct Acknowledged(Mutex<AcknowledgedEntries>);

/// The entries of the record.
#[derive(Debug, Default, Clone)]
pub(crate) struct AcknowledgedEntries {
    /// Receipts, in order of arrival.
    pub(crate) receipts: Vec<String>,
    /// Applicants that were refused because the event is over.
    pub(crate) too_late: u32,
    /// Applicants that gave up without a number.
    pub(crate) gave_up: u32,
    /// Responses that asked an applicant to retry later.
    pub(crate) put_off: u32,
    /// The first contract violations, as text.
    pub(crate) broken: Vec<String>,
    /// The number of all contract violations.
    pub(crate) broken_count: u32,
}

impl Acknowledged {
    pub(crate) fn lock(&self) -> MutexGuard<'_, AcknowledgedEntries> {
        self.0.lock()
    }
}

impl AcknowledgedEntries {
    /// Records a contract violation.
    pub(crate) fn record_violation(&mut self, text: String) {
        self.broken_count += 1;
        if self.broken.len() < REPORTED_MAX {
            self.broken.push(text);
        }
    }
}
