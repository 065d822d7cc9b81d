//! The queue's own indexes and limits, among themselves and against the ledger (I9).

use queue::{QueueEntry, QueueState};

use crate::verify::facts::Facts;
use crate::verify::report::Violations;

pub(super) fn is_consistent(facts: &Facts) -> Violations {
    let mut violations = missing_numbers(facts);
    violations.extend(facts.entries.iter().filter_map(|entry| wrong_state(facts, entry)));
    violations.extend(crossed_limits(facts));
    violations.extend(wrong_count(facts));
    violations
}

/// A count of the waiting applications that is not the number of those in the queue.
fn wrong_count(facts: &Facts) -> Option<String> {
    let waiting = facts.entries.iter().filter(|entry| entry.state == QueueState::Waiting).count();
    let counted = facts.snapshot.waiting;
    (waiting != counted as usize)
        .then(|| format!("{waiting} applications wait, and the queue counts {counted}"))
}

/// Every number up to the last one is an application's or in a gap.
fn missing_numbers(facts: &Facts) -> Violations {
    let snapshot = &facts.snapshot;
    let mut expected = 1;
    let mut missing = Vec::new();
    for entry in &facts.entries {
        let number = entry.number.get();
        missing.extend(expected..number);
        expected = expected.max(number + 1);
    }
    // Numbers may be given between the reads of snapshot and entries. The last number never goes back.
    missing.extend(expected..=snapshot.seq);
    missing.retain(|number| !snapshot.gaps.contains(*number));
    missing
        .into_iter()
        .map(|number| format!("number {number} belongs to no application and is in no gap"))
        .collect()
}

fn wrong_state(facts: &Facts, entry: &QueueEntry) -> Option<String> {
    let snapshot = &facts.snapshot;
    let number = entry.number.get();
    let in_ledger = facts.row(entry.app_key).is_some();
    let passed = number <= snapshot.admitted_through;
    match entry.state {
        _ if number > snapshot.seq => {
            Some(format!("number {number} was given, above the queue's last number"))
        }
        QueueState::Admitted if !in_ledger => {
            Some(format!("number {number} is marked admitted and is not in the ledger"))
        }
        QueueState::Waiting if in_ledger && passed => {
            Some(format!("number {number} is in the ledger and still waits in the queue"))
        }
        // A queue that lost applications skips their numbers, and restores those whose receipts are presented.
        QueueState::Waiting
            if !passed && snapshot.gaps.contains(number) && facts.event.recover_until == 0 =>
        {
            Some(format!("number {number} belongs to an application and is in a gap"))
        }
        _ => None,
    }
}

/// Admitted number, last number, the queue's limit and the ledger's: none is above the next.
fn crossed_limits(facts: &Facts) -> Violations {
    let snapshot = &facts.snapshot;
    let mut violations = Vec::new();
    if snapshot.admitted_through > snapshot.seq {
        violations.push(format!(
            "the queue was admitted through number {}, above its last number",
            snapshot.admitted_through
        ));
    }
    if snapshot.seq > snapshot.number_limit {
        violations.push(format!("numbers were given above the queue's limit {}", snapshot.number_limit));
    }
    if snapshot.number_limit > facts.event.number_limit {
        violations
            .push(format!("the queue's limit {} is above the limit in the ledger", snapshot.number_limit));
    }
    if snapshot.ledger_changes > facts.event.changes {
        violations.push(format!(
            "the ledger has {} changes, and the queue was told of {}: the ledger was put back to an older state",
            facts.event.changes, snapshot.ledger_changes
        ));
    }
    violations
}
