//! Applications and their numbers (I1 to I4).

use std::collections::hash_map::Entry as Slot;
use std::collections::{HashMap, HashSet};

use domain::{AppKey, Number, Outcome};
use queue::QueueState;

use crate::verify::facts::{Facts, Witness};
use crate::verify::report::Violations;

/// The applications and numbers on the receipts of this event.
fn acknowledged(facts: &Facts, witness: &Witness) -> impl Iterator<Item = (AppKey, Number)> {
    let acks = witness.acks.iter().flatten().filter(|ack| ack.event == facts.snapshot.event);
    acks.map(|ack| (ack.app_key, ack.number))
}

pub(super) fn none_lost(facts: &Facts, witness: &Witness) -> Violations {
    acknowledged(facts, witness)
        .filter(|(key, _)| facts.entry(*key).is_none() && facts.row(*key).is_none())
        .map(|(key, number)| {
            format!("number {number} ({key}) was acknowledged and is in neither queue nor ledger")
        })
        .collect()
}

pub(super) fn unique(facts: &Facts, witness: &Witness) -> Violations {
    let mut violations = duplicates("queue", facts.entries.iter().map(|entry| (entry.app_key, entry.number)));
    violations.extend(duplicates("ledger", facts.rows.iter().map(|row| (row.app_key, row.number))));
    let seated = facts.seats.iter().filter_map(|seat| seat.app_key);
    violations.extend(repeated(seated).map(|key| format!("{} has two seats", facts.describe(key))));
    let live = witness.orders.iter().flatten().filter(|order| order.live).map(|order| order.app_key);
    violations.extend(repeated(live).map(|key| format!("{} has two live orders", facts.describe(key))));
    violations
}

fn duplicates(store: &str, applications: impl Iterator<Item = (AppKey, Number)>) -> Violations {
    let mut first = HashMap::new();
    let mut numbers = HashSet::new();
    let mut violations = Vec::new();
    for (key, number) in applications {
        match first.entry(key) {
            Slot::Vacant(slot) => drop(slot.insert(number)),
            Slot::Occupied(slot) => {
                violations.push(format!("number {} is in the {store} again, as number {number}", slot.get()));
            }
        }
        if !numbers.insert(number) {
            violations.push(format!("number {number} is in the {store} twice"));
        }
    }
    violations
}

fn repeated(keys: impl Iterator<Item = AppKey>) -> impl Iterator<Item = AppKey> {
    let mut seen = HashSet::new();
    keys.filter(move |key| !seen.insert(*key))
}

pub(super) fn unchanged(facts: &Facts, witness: &Witness) -> Violations {
    let in_queue = |key| facts.entry(key).map(|entry| entry.number);
    let mut violations = Vec::new();
    for (key, acknowledged) in acknowledged(facts, witness) {
        let now = in_queue(key).or_else(|| facts.row(key).map(|row| row.number));
        if let Some(now) = now.filter(|now| *now != acknowledged) {
            violations.push(format!("number {acknowledged} was acknowledged and is now number {now}"));
        }
    }
    for row in &facts.rows {
        if let Some(now) = in_queue(row.app_key).filter(|now| *now != row.number) {
            violations.push(format!("number {now} of the queue is number {} in the ledger", row.number));
        }
    }
    violations
}

/// Every waiting application has a higher number than all that got a seat.
pub(super) fn seated_in_order(facts: &Facts) -> Violations {
    let had_seat = |outcome| matches!(outcome, Outcome::Rejected | Outcome::Expired);
    let seated = facts.rows.iter().filter(|row| row.seat.is_some() || row.outcome.is_some_and(had_seat));
    let mut seated: Vec<Number> = seated.map(|row| row.number).collect();
    seated.sort_unstable();
    let waiting = facts.entries.iter().filter(|entry| entry.state == QueueState::Waiting);
    waiting
        .filter(|entry| facts.row(entry.app_key).is_none())
        .filter_map(|entry| {
            let above = seated.get(seated.partition_point(|number| *number < entry.number))?;
            Some(format!("number {} waits, and number {above} was given a seat", entry.number))
        })
        .collect()
}
