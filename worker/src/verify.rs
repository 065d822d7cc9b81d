//! The checker of the invariants I1 to I9 over queue and ledger, for tests and on demand in production. It only reads.
//!
//! A running system changes while it is read, so a violation counts only if a second check, a moment later, finds it again.

mod checks;
mod facts;
mod report;

use std::time::Duration;

use domain::EventId;
use ledger::Ledger;
use queue::Queue;

use crate::error::Error;
use facts::Facts;

pub use facts::Witness;
pub use report::{InvariantCheck, VerifyReport};

/// Time between the first check and the second.
const RECHECK_AFTER: Duration = Duration::from_secs(1);

/// Checks one event. If there are violations, checks again a second later.
pub async fn verify(
    queue: &Queue,
    ledger: &Ledger,
    event: &EventId,
    witness: &Witness,
) -> Result<VerifyReport, Error> {
    verify_twice((queue, ledger), event, witness, tokio::time::sleep(RECHECK_AFTER)).await
}

/// Checks one event. If there are violations, checks again after `between`.
pub async fn verify_twice(
    (queue, ledger): (&Queue, &Ledger),
    event: &EventId,
    witness: &Witness,
    between: impl Future<Output = ()>,
) -> Result<VerifyReport, Error> {
    let facts = Facts::read(queue, ledger, event).await?;
    let first = checks::run_all(&facts, witness);
    if first.iter().all(|check| check.violations.is_empty()) {
        return Ok(report::summarize(&facts, first));
    }
    between.await;
    let facts = Facts::read(queue, ledger, event).await?;
    let mut second = checks::run_all(&facts, witness);
    for (now, before) in second.iter_mut().zip(&first) {
        now.violations.retain(|violation| before.violations.contains(violation));
    }
    Ok(report::summarize(&facts, second))
}
