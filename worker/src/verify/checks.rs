//! The invariants, each a function from facts to the sentences that break it.

use std::collections::{BTreeSet, HashMap, HashSet};

use domain::{ApplicationState, EventState, Outcome};
use queue::Mark;

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
        found("I2", "one application per person, one person per number", unique(facts)),
        found("I3", "a number never changes", numbers_kept(facts, witness)),
        found("I4", "no seat is given while a lower number waits", in_order(facts)),
        found("I5", "live orders are within the capacity", within_capacity(facts, witness)),
        found("I6", "exactly one outcome", one_outcome(facts)),
        found("I7", "no orphan order, no orphan seat", no_orphans(facts, witness)),
        found("I8", "notices are the outcomes", notices(facts)),
        found("I9", "the line's own indexes agree", line_agrees(facts)),
    ];
    if witness.acks.is_none() {
        all[0].not_checked = Some("give the receipts that applicants hold with --acks");
    }
    if witness.orders.is_none() {
        all[6].not_checked = Some("give the order service's list with --orders; seats were checked");
    }
    all
}

fn none_lost(facts: &Facts, witness: &Witness) -> Violations {
    let in_line: HashSet<_> = facts.entries.iter().map(|entry| entry.app_key).collect();
    let lost = witness.acks.iter().flatten().filter(|ack| ack.event == facts.view.event);
    lost.filter(|ack| !in_line.contains(&ack.app_key) && facts.row(ack.app_key).is_none())
        .map(|ack| format!("number {} ({}) was acknowledged and is nowhere", ack.number, ack.app_key))
        .collect()
}

fn unique(facts: &Facts) -> Violations {
    let (mut keys, mut numbers, mut twice) = (HashSet::new(), HashSet::new(), Vec::new());
    for entry in &facts.entries {
        if !keys.insert(entry.app_key) {
            twice.push(format!("{} is in the line twice", entry.app_key));
        }
        if !numbers.insert(entry.number) {
            twice.push(format!("number {} is in the line twice", entry.number));
        }
    }
    let mut held = HashSet::new();
    let seats = facts.seats.iter().filter_map(|seat| seat.app_key);
    twice.extend(seats.filter(|key| !held.insert(*key)).map(|key| format!("{key} has two seats")));
    twice
}

fn numbers_kept(facts: &Facts, witness: &Witness) -> Violations {
    let in_line: HashMap<_, _> = facts.entries.iter().map(|entry| (entry.app_key, entry.number)).collect();
    let acked = witness
        .acks
        .iter()
        .flatten()
        .filter(|ack| ack.event == facts.view.event)
        .map(|ack| (ack.app_key, ack.number));
    let booked = facts.rows.iter().map(|row| (row.app_key, row.number));
    acked
        .chain(booked)
        .filter_map(|(key, number)| {
            let now = in_line.get(&key).copied().or_else(|| facts.row(key).map(|row| row.number))?;
            (now != number).then(|| format!("{key} was told number {number} and has {now}"))
        })
        .collect()
}

/// Whoever still waits has a higher number than everybody who got a seat, or was passed by before being restored.
fn in_order(facts: &Facts) -> Violations {
    let seated = facts.rows.iter().filter(|row| row.seat.is_some() || row.outcome == Some(Outcome::Rejected));
    let Some(highest) = seated.map(|row| row.number).max() else { return Vec::new() };
    facts
        .entries
        .iter()
        .filter(|entry| {
            entry.mark == Mark::Waiting && entry.number < highest && facts.row(entry.app_key).is_none()
        })
        .map(|entry| format!("number {} waits while number {highest} was given a seat", entry.number))
        .collect()
}

fn within_capacity(facts: &Facts, witness: &Witness) -> Violations {
    let capacity = facts.event.settings.capacity as usize;
    let mut broken = Vec::new();
    let taken = facts.seats.iter().filter(|seat| seat.state != "free").count();
    if facts.seats.len() > capacity || taken > capacity {
        broken.push(format!("{} seats exist, {taken} are taken, of {capacity}", facts.seats.len()));
    }
    let live = witness.orders.iter().flatten().filter(|order| order.live).count();
    if live > capacity {
        broken.push(format!("{live} live orders for {capacity} seats"));
    }
    broken
}

fn one_outcome(facts: &Facts) -> Violations {
    let mut broken = Vec::new();
    for row in &facts.rows {
        let ended = matches!(row.state, ApplicationState::Ended(_));
        if ended != row.outcome.is_some() && row.outcome != Some(Outcome::Ordered) {
            broken.push(format!(
                "number {} is {} with outcome {:?}",
                row.number,
                row.state.as_str(),
                row.outcome
            ));
        }
    }
    if facts.event.state == EventState::Settled {
        let settled = facts.event.settled_seq.unwrap_or(0);
        let open = facts
            .entries
            .iter()
            .filter(|entry| entry.number.get() <= settled && facts.row(entry.app_key).is_none());
        let open = open.filter(|entry| entry.mark != Mark::Waiting);
        broken.extend(
            open.map(|entry| format!("the event is settled and number {} has no outcome", entry.number)),
        );
    }
    for entry in &facts.entries {
        let (shown, booked) = (
            entry.shown.as_ref().map(|shown| shown.outcome),
            facts.row(entry.app_key).and_then(|row| row.outcome),
        );
        if shown.is_some_and(|shown| {
            shown != Outcome::SoldOut && Some(shown) != booked && booked.is_none_or(|b| !shown.may_become(b))
        }) {
            broken.push(format!("number {} is shown {shown:?}, the book says {booked:?}", entry.number));
        }
    }
    broken
}

fn no_orphans(facts: &Facts, witness: &Witness) -> Violations {
    let mut broken = Vec::new();
    for seat in facts.seats.iter().filter(|seat| seat.app_key.is_some()) {
        let row = seat.app_key.and_then(|key| facts.row(key));
        let fits = row.is_some_and(|row| {
            row.seat == Some(seat.n) && (seat.state == "sold") == (row.outcome == Some(Outcome::Ordered))
        });
        if !fits {
            broken.push(format!("seat {} is {} for nobody that has it", seat.n, seat.state));
        }
    }
    for row in facts.rows.iter().filter(|row| row.state.has_seat() != row.seat.is_some()) {
        broken.push(format!(
            "number {} is {} and its seat is {:?}",
            row.number,
            row.state.as_str(),
            row.seat
        ));
    }
    let Some(orders) = &witness.orders else { return broken };
    let live: BTreeSet<_> = orders.iter().filter(|order| order.live).map(|order| order.app_key).collect();
    for key in &live {
        let row = facts.row(*key);
        if row.is_none_or(|row| matches!(row.state, ApplicationState::Ended(o) if o != Outcome::Ordered)) {
            broken.push(format!("the order of {key} is live and nobody's"));
        }
    }
    let ordered = facts.rows.iter().filter(|row| row.state == ApplicationState::Ended(Outcome::Ordered));
    broken.extend(
        ordered
            .filter(|row| !live.contains(&row.app_key))
            .map(|row| format!("number {} is ordered and the order service has no order", row.number)),
    );
    broken
}

fn notices(facts: &Facts) -> Violations {
    let posted: HashSet<_> = facts.outbox.iter().map(|row| (row.app_key.clone(), row.kind.clone())).collect();
    let mut broken = Vec::new();
    for (row, outcome) in facts.rows.iter().filter_map(|row| row.outcome.map(|outcome| (row, outcome))) {
        let kind = format!("application.{}", outcome.as_str());
        if !posted.contains(&(row.app_key.to_string(), kind.clone())) {
            broken.push(format!("number {} is {} and no notice says so", row.number, outcome.as_str()));
        }
    }
    for row in facts.outbox.iter().filter(|row| !row.app_key.is_empty()) {
        let Some(told) = row.kind.strip_prefix("application.").and_then(Outcome::parse) else { continue };
        let outcome = row.app_key.parse().ok().and_then(|key| facts.row(key)).and_then(|row| row.outcome);
        if outcome.is_none_or(|outcome| outcome != told && !told.may_become(outcome)) {
            broken.push(format!(
                "a notice says {} of {}, the book says {outcome:?}",
                told.as_str(),
                row.app_key
            ));
        }
    }
    broken
}

fn line_agrees(facts: &Facts) -> Violations {
    let (view, mut broken, mut expected) = (&facts.view, Vec::new(), 1u32);
    for entry in &facts.entries {
        let number = entry.number.get();
        broken.extend(
            (expected..number)
                .filter(|n| !view.gaps.holds(*n))
                .map(|n| format!("number {n} is nobody's and no gap")),
        );
        if view.gaps.holds(number) && entry.mark == Mark::Waiting && number > view.moved_through {
            broken.push(format!("number {number} is somebody's and a gap"));
        }
        expected = number + 1;
        match entry.mark {
            Mark::Moved if facts.row(entry.app_key).is_none() => {
                broken.push(format!("number {number} is marked moved and the book does not know it"));
            }
            Mark::Waiting if facts.row(entry.app_key).is_some() && number <= view.moved_through => {
                broken.push(format!("number {number} is in the book and still waits in the line"));
            }
            _ => {}
        }
    }
    // Numbers may be given between reading the view and reading the entries, never the other way round.
    broken.extend(
        (expected..=view.seq)
            .filter(|n| !view.gaps.holds(*n))
            .map(|n| format!("number {n} is nobody's and no gap")),
    );
    if view.moved_through > view.seq || view.seq > view.line_limit {
        broken.push(format!(
            "moved through {}, at {}, limit {}: they must rise",
            view.moved_through, view.seq, view.line_limit
        ));
    }
    broken
}
