//! The checker of the invariants I1 to I9 over queue and ledger, for tests and on demand in production. It reads only.
//!
//! A running system moves while it is read, so a violation counts only if a second look, a moment later, shows it again.

mod checks;
mod gather;

use std::time::Duration;

use domain::{EventId, Receipt};
use ledger::{Ledger, OrderRow, SeatState};
use queue::Queue;
use serde::Serialize;

use crate::ChoreError;

/// Between the first look and the second.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Violations that are told one by one; the rest are only counted.
const TOLD_MAX: usize = 20;

/// What an outsider knows, which queue and ledger cannot know by themselves.
#[derive(Debug, Clone, Default)]
pub struct Witness {
    /// Receipts that applicants hold.
    pub acks: Option<Vec<Receipt>>,
    /// The order service's own list.
    pub orders: Option<Vec<OrderRow>>,
}

/// What one invariant came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// `I1` to `I9`.
    pub name: &'static str,
    /// What must hold.
    pub promise: &'static str,
    /// Why it was not checked, if so.
    pub not_checked: Option<&'static str>,
    /// How many break it.
    pub violations: usize,
    /// The first of them, in words.
    pub told: Vec<String>,
}

/// What the checker found in one event.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The event.
    pub event: EventId,
    /// Applications in the queue.
    pub applications: usize,
    /// Seats sold.
    pub sold: usize,
    /// Applications in the ledger that have not ended.
    pub under_way: usize,
    /// One for each invariant.
    pub checks: Vec<Check>,
}

impl Report {
    /// How many violations there are in all.
    pub fn violations(&self) -> usize {
        self.checks.iter().map(|check| check.violations).sum()
    }
}

/// Checks one event, and looks again a second later at what seems wrong.
pub async fn verify(
    queue: &Queue,
    ledger: &Ledger,
    event: &EventId,
    witness: &Witness,
) -> Result<Report, ChoreError> {
    look_twice((queue, ledger), event, witness, tokio::time::sleep(LOOK_AGAIN)).await
}

/// Checks one event, and looks again after `between` at what seems wrong.
pub async fn look_twice(
    (queue, ledger): (&Queue, &Ledger),
    event: &EventId,
    witness: &Witness,
    between: impl Future<Output = ()>,
) -> Result<Report, ChoreError> {
    let (first, found) = look(queue, ledger, event, witness).await?;
    if first.violations() == 0 {
        return Ok(first);
    }
    between.await;
    let (second, mut again) = look(queue, ledger, event, witness).await?;
    for (now, before) in again.iter_mut().zip(&found) {
        now.violations.retain(|violation| before.violations.contains(violation));
    }
    Ok(Report { checks: again.into_iter().map(Check::from).collect(), ..second })
}

async fn look(
    queue: &Queue,
    ledger: &Ledger,
    event: &EventId,
    witness: &Witness,
) -> Result<(Report, Vec<checks::Found>), ChoreError> {
    let facts = gather::gather(queue, ledger, event).await?;
    let found = checks::all(&facts, witness);
    let report = Report {
        event: event.clone(),
        applications: facts.entries.len(),
        sold: facts.seats.iter().filter(|seat| seat.state == SeatState::Sold).count(),
        under_way: facts
            .rows
            .iter()
            .filter(|row| row.state.as_str() == "ordering" || row.state.as_str() == "undoing")
            .count(),
        checks: found.iter().cloned().map(Check::from).collect(),
    };
    Ok((report, found))
}

impl From<checks::Found> for Check {
    fn from(found: checks::Found) -> Self {
        let violations = found.violations.len();
        let told = found.violations.into_iter().take(TOLD_MAX).collect();
        Self { name: found.name, promise: found.promise, not_checked: found.not_checked, violations, told }
    }
}
