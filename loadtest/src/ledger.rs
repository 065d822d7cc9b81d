//! What a crowd was told: the receipts, and every answer that breaks a promise towards somebody.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Broken promises that are told in full; more are only counted.
const TOLD_MAX: usize = 20;

/// Shared by all who play the crowd.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Entries>);

/// What stands in it.
#[derive(Debug, Default, Clone)]
pub(crate) struct Entries {
    /// Receipts, in the order in which they came.
    pub(crate) receipts: Vec<String>,
    /// How many were told that the event is over.
    pub(crate) too_late: u32,
    /// How many gave up without a number.
    pub(crate) gave_up: u32,
    /// How often somebody was told to come again: shed or limited, and then served.
    pub(crate) put_off: u32,
    /// Promises broken towards somebody, in words.
    pub(crate) broken: Vec<String>,
    /// How many, all told.
    pub(crate) broken_count: u32,
}

impl Ledger {
    pub(crate) fn write(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    pub(crate) fn broke(&mut self, what: String) {
        self.broken_count += 1;
        if self.broken.len() < TOLD_MAX {
            self.broken.push(what);
        }
    }
}
