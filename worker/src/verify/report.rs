//! The results of checks, and the report of one event.

use domain::EventId;
use ledger::SeatState;
use serde::Serialize;

use super::facts::Facts;

/// Violations that are listed; the rest are only counted.
const LISTED_MAX: usize = 20;

/// The sentences that describe violations of one invariant.
pub(super) type Violations = Vec<String>;

/// The full result of checking one invariant.
#[derive(Debug)]
pub(super) struct CheckResult {
    pub(super) name: &'static str,
    pub(super) promise: &'static str,
    pub(super) not_checked: Option<&'static str>,
    pub(super) violations: Violations,
}

/// The result of checking one invariant, as reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InvariantCheck {
    /// `I1` to `I9`.
    pub name: &'static str,
    /// What must hold.
    pub promise: &'static str,
    /// Why the check was skipped in whole or in part, if so.
    pub not_checked: Option<&'static str>,
    /// The number of violations.
    pub violations: usize,
    /// The first violations, in words.
    pub listed: Vec<String>,
}

/// The report of one event.
#[derive(Debug, Clone, Serialize)]
pub struct VerifyReport {
    /// The event.
    pub event: EventId,
    /// Applications in the queue.
    pub applications: usize,
    /// Seats sold.
    pub sold: usize,
    /// Applications in the ledger that have not ended.
    pub under_way: usize,
    /// One for each invariant.
    pub checks: Vec<InvariantCheck>,
}

impl VerifyReport {
    /// The number of violations of all invariants.
    pub fn violations(&self) -> usize {
        self.checks.iter().map(|check| check.violations).sum()
    }
}

/// Summarizes the results of all checks over these facts.
pub(super) fn summarize(facts: &Facts, results: Vec<CheckResult>) -> VerifyReport {
    let under_way =
        facts.rows.iter().filter(|row| matches!(row.state.as_str(), "called" | "ordering" | "undoing"));
    VerifyReport {
        event: facts.event.settings.id.clone(),
        applications: facts.entries.len(),
        sold: facts.seats.iter().filter(|seat| seat.state == SeatState::Sold).count(),
        under_way: under_way.count(),
        checks: results.into_iter().map(InvariantCheck::from).collect(),
    }
}

impl From<CheckResult> for InvariantCheck {
    fn from(result: CheckResult) -> Self {
        let violations = result.violations.len();
        let listed = result.violations.into_iter().take(LISTED_MAX).collect();
        Self {
            name: result.name,
            promise: result.promise,
            not_checked: result.not_checked,
            violations,
            listed,
        }
    }
}
