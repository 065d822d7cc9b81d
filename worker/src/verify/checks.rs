//! The invariants, each a function from facts to the sentences that break it. A sentence names the number and holds no figure
//! that moves by itself: it counts only if a second look tells it again, word for word.

mod ends;
mod seats;

use std::collections::hash_map::Entry as Slot;
use std::collections::{HashMap, HashSet};

use domain::{AppKey, Number, Outcome};
use queue::{Entry, QueueState};

use super::Witness;
use super::gather::Facts;

#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) name: &'static str,
    pub(super) promise: &'static str,
    pub(super) not_checked: Option<&'static str>,
    pub(super) violations: Vec<String>,
}

type Violations = Vec<String>;

pub(super) fn all(facts: &Facts, witness: &Witness) -> Vec<Found> {
    let found = |name, promise, violations| Found { name, promise, not_checked: None, violations };
    let mut all = vec![
        found("I1", "no acknowledged application is lost", none_lost(facts, witness)),
        found("I2", "one application per person, one person per number", unique(facts, witness)),
        found("I3", "a number never changes", numbers_kept(facts, witness)),
        found("I4", "no seat is given while a lower number waits", in_order(facts)),
        found("I5", "live orders are within the capacity", seats::within_capacity(facts, witness)),
        found("I6", "exactly one outcome", ends::one_outcome(facts)),
        found("I7", "no orphan order, no orphan seat", seats::no_orphans(facts, witness)),
        found("I8", "domain events are the outcomes", ends::domain_events(facts)),
        found("I9", "the queue's own indexes agree", queue_agrees(facts)),
    ];
    if witness.acks.is_none() {
        all[0].not_checked = Some("give the receipts that applicants hold with --acks");
    }
    if witness.orders.is_none() {
        all[6].not_checked = Some("give the order service's list with --orders; seats were checked");
    }
    all
}

/// What the receipts of this event say.
fn acknowledged(facts: &Facts, witness: &Witness) -> impl Iterator<Item = (AppKey, Number)> {
    let acks = witness.acks.iter().flatten().filter(|ack| ack.event == facts.view.event);
    acks.map(|ack| (ack.app_key, ack.number))
}

fn none_lost(facts: &Facts, witness: &Witness) -> Violations {
    acknowledged(facts, witness)
        .filter(|(key, _)| facts.entry(*key).is_none() && facts.row(*key).is_none())
        .map(|(key, number)| format!("number {number} ({key}) was acknowledged and is nowhere"))
        .collect()
}

fn unique(facts: &Facts, witness: &Witness) -> Violations {
    let mut twice = doubles("queue", facts.entries.iter().map(|entry| (entry.app_key, entry.number)));
    twice.extend(doubles("ledger", facts.rows.iter().map(|row| (row.app_key, row.number))));
    let seated = facts.seats.iter().filter_map(|seat| seat.app_key);
    twice.extend(repeated(seated).map(|key| format!("{} has two seats", facts.who(key))));
    let live = witness.orders.iter().flatten().filter(|order| order.live).map(|order| order.app_key);
    twice.extend(repeated(live).map(|key| format!("{} has two live orders", facts.who(key))));
    twice
}

fn doubles(place: &str, people: impl Iterator<Item = (AppKey, Number)>) -> Violations {
    let (mut first, mut numbers, mut twice) = (HashMap::new(), HashSet::new(), Vec::new());
    for (key, number) in people {
        match first.entry(key) {
            Slot::Vacant(new) => drop(new.insert(number)),
            Slot::Occupied(known) => {
                twice.push(format!("number {} is in the {place} again, as number {number}", known.get()));
            }
        }
        if !numbers.insert(number) {
            twice.push(format!("number {number} is in the {place} twice"));
        }
    }
    twice
}

fn repeated(keys: impl Iterator<Item = AppKey>) -> impl Iterator<Item = AppKey> {
    let mut seen = HashSet::new();
    keys.filter(move |key| !seen.insert(*key))
}

fn numbers_kept(facts: &Facts, witness: &Witness) -> Violations {
    let in_queue = |key| facts.entry(key).map(|entry| entry.number);
    let mut changed = Vec::new();
    for (key, told) in acknowledged(facts, witness) {
        let now = in_queue(key).or_else(|| facts.row(key).map(|row| row.number));
        if let Some(now) = now.filter(|now| *now != told) {
            changed.push(format!("number {told} was acknowledged and is now number {now}"));
        }
    }
    for row in &facts.rows {
        if let Some(now) = in_queue(row.app_key).filter(|now| *now != row.number) {
            changed.push(format!("number {now} of the queue is number {} in the ledger", row.number));
        }
    }
    changed
}

/// Whoever still waits has a higher number than everybody who got a seat.
fn in_order(facts: &Facts) -> Violations {
    let seated = facts.rows.iter().filter(|row| row.seat.is_some() || row.outcome == Some(Outcome::Rejected));
    let mut seated: Vec<Number> = seated.map(|row| row.number).collect();
    seated.sort_unstable();
    let waiting = facts.entries.iter().filter(|entry| entry.mark == QueueState::Waiting);
    waiting
        .filter(|entry| facts.row(entry.app_key).is_none())
        .filter_map(|entry| {
            let above = seated.get(seated.partition_point(|number| *number < entry.number))?;
            Some(format!("number {} waits, and number {above} was given a seat", entry.number))
        })
        .collect()
}

fn queue_agrees(facts: &Facts) -> Violations {
    let mut broken = numbers_run_on(facts);
    broken.extend(facts.entries.iter().filter_map(|entry| mark_disagrees(facts, entry)));
    broken.extend(limits_cross(facts));
    broken
}

/// Every number up to the last one is somebody's or a gap.
fn numbers_run_on(facts: &Facts) -> Violations {
    let (view, mut expected, mut holes) = (&facts.view, 1, Vec::new());
    for entry in &facts.entries {
        let number = entry.number.get();
        holes.extend(expected..number);
        expected = expected.max(number + 1);
    }
    // Numbers may be given between reading the view and reading the entries, never the other way round.
    holes.extend(expected..=view.seq);
    holes.retain(|number| !view.gaps.holds(*number));
    holes.into_iter().map(|number| format!("number {number} is nobody's and no gap")).collect()
}

fn mark_disagrees(facts: &Facts, entry: &Entry) -> Option<String> {
    let (view, number) = (&facts.view, entry.number.get());
    let (booked, passed) = (facts.row(entry.app_key).is_some(), number <= view.admitted_through);
    match entry.mark {
        _ if number > view.seq => Some(format!("number {number} was given, above the queue's last number")),
        QueueState::Admitted if !booked => {
            Some(format!("number {number} is marked moved and the ledger does not know it"))
        }
        QueueState::Waiting if booked && passed => {
            Some(format!("number {number} is in the ledger and still waits in the queue"))
        }
        // A queue that forgot somebody skips their numbers, and gives them back to whoever shows a receipt.
        QueueState::Waiting if !passed && view.gaps.holds(number) && facts.event.recover_until == 0 => {
            Some(format!("number {number} is somebody's and a gap"))
        }
        _ => None,
    }
}

/// Admitted through, last number, the queue's limit and the ledger's: none is above the next.
fn limits_cross(facts: &Facts) -> Violations {
    let (view, booked) = (&facts.view, facts.event.number_limit);
    let mut crossed = Vec::new();
    if view.admitted_through > view.seq {
        crossed
            .push(format!("the queue was admitted through number {}, above its last", view.admitted_through));
    }
    if view.seq > view.number_limit {
        crossed.push(format!("numbers were given above the queue's limit {}", view.number_limit));
    }
    if view.number_limit > booked {
        crossed.push(format!(
            "the queue may give numbers up to {}, the ledger knows of less",
            view.number_limit
        ));
    }
    crossed
}
