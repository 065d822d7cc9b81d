//! The ends of applications: one outcome each (I6), and one domain event for each outcome (I8).

use std::collections::HashSet;

use domain::{ApplicationState, DomainEvent, DomainEventKind, EventState, Outcome};
use ledger::ApplicationRow;
use queue::{ProjectedOutcome, QueueEntry, QueueState};

use crate::verify::facts::Facts;
use crate::verify::report::Violations;

pub(super) fn one_outcome(facts: &Facts) -> Violations {
    let mut violations: Violations = facts.rows.iter().filter_map(misplaced_outcome).collect();
    violations.extend(missing_outcomes(facts));
    violations.extend(facts.entries.iter().filter_map(|entry| wrong_shown_outcome(facts, entry)));
    violations.extend(facts.entries.iter().filter_map(|entry| wrong_shown_time(facts, entry)));
    violations
}

/// A called applicant who is shown another time than the ledger has, or who is not called any more.
fn wrong_shown_time(facts: &Facts, entry: &QueueEntry) -> Option<String> {
    let shown = entry.called?;
    let row = facts.row(entry.app_key);
    let fits = match row.map(|row| row.state) {
        Some(ApplicationState::Called { until, .. }) => until == shown.until,
        Some(ApplicationState::Ended(_)) | None => false,
        Some(_) => shown.confirmed,
    };
    (!fits).then(|| {
        let in_ledger = row.map_or("no such application", |row| row.state.as_str());
        format!(
            "number {} is shown as called until {}, the ledger has {in_ledger}",
            entry.number, shown.until
        )
    })
}

/// Only ended applications have an outcome, and those whose order is being deleted.
fn misplaced_outcome(row: &ApplicationRow) -> Option<String> {
    let outcome = row.outcome?;
    let fits = match row.state {
        ApplicationState::Ended(ended) => ended == outcome,
        ApplicationState::Undoing { .. } | ApplicationState::Parked { .. } => outcome == Outcome::Ordered,
        _ => false,
    };
    (!fits).then(|| {
        format!("number {} is {} with the outcome {}", row.number, row.state.as_str(), outcome.as_str())
    })
}

/// Applications without an outcome in a settled event. Those that wait up to `settled_seq` are sold out, without a row.
fn missing_outcomes(facts: &Facts) -> Violations {
    let Some(through) = settled_through(facts) else { return Vec::new() };
    let rows = facts.rows.iter().filter(|row| row.outcome.is_none()).map(|row| row.number);
    let only_in_queue = facts.entries.iter().filter(|entry| facts.row(entry.app_key).is_none());
    let left_out =
        only_in_queue.filter(|entry| entry.state != QueueState::Waiting || entry.number.get() > through);
    rows.chain(left_out.map(|entry| entry.number))
        .map(|number| format!("the event is settled and number {number} has no outcome"))
        .collect()
}

fn settled_through(facts: &Facts) -> Option<u32> {
    (facts.event.state == EventState::Settled).then(|| facts.event.settled_seq.unwrap_or(0))
}

fn wrong_shown_outcome(facts: &Facts, entry: &QueueEntry) -> Option<String> {
    let shown = entry.outcome.as_ref()?;
    let row = facts.row(entry.app_key);
    let fits = match row {
        Some(row) => shown_fits(shown, row),
        None => {
            shown.outcome == Outcome::SoldOut
                && settled_through(facts).is_some_and(|through| entry.number.get() <= through)
        }
    };
    (!fits).then(|| {
        let in_queue = describe_outcome(Some(shown.outcome), shown.order_no.as_deref());
        let in_ledger =
            describe_outcome(row.and_then(|row| row.outcome), row.and_then(|row| row.order_no.as_deref()));
        format!("number {} is shown as {in_queue}, the ledger has {in_ledger}", entry.number)
    })
}

fn describe_outcome(outcome: Option<Outcome>, order_no: Option<&str>) -> String {
    let word = outcome.map_or("no outcome", Outcome::as_str);
    order_no.map_or(word.to_owned(), |order_no| format!("{word} with order number {order_no}"))
}

fn shown_fits(shown: &ProjectedOutcome, row: &ApplicationRow) -> bool {
    match row.outcome {
        Some(outcome) if outcome == shown.outcome => row.order_no == shown.order_no,
        // The outcome reaches the queue a moment after the ledger decided.
        Some(outcome) => shown.outcome.may_become(outcome),
        None => false,
    }
}

pub(super) fn domain_events(facts: &Facts) -> Violations {
    let mut violations =
        if facts.event.outbox_purged == 0 { missing_domain_events(facts) } else { Vec::new() };
    violations.extend(facts.domain_events.iter().filter_map(|one| wrong_domain_event(facts, one)));
    let has_settled = facts.domain_events.iter().any(|one| one.kind == DomainEventKind::EventSettled);
    if has_settled && settled_through(facts).is_none() {
        violations.push("the event is not settled and has a domain event event.settled".into());
    }
    violations
}

fn missing_domain_events(facts: &Facts) -> Violations {
    let kinds: HashSet<_> = facts.domain_events.iter().map(|one| (one.app_key, one.kind)).collect();
    let is_missing = |app_key, kind| !kinds.contains(&(app_key, kind));
    let outcomes = facts.rows.iter().filter_map(|row| row.outcome.map(|outcome| (row, outcome)));
    let mut violations: Violations = outcomes
        .filter(|(row, outcome)| {
            DomainEventKind::of_outcome(*outcome).is_some_and(|kind| is_missing(Some(row.app_key), kind))
        })
        .map(|(row, outcome)| {
            format!("number {} is {} and has no domain event for it", row.number, outcome.as_str())
        })
        .collect();
    if settled_through(facts).is_some() && is_missing(None, DomainEventKind::EventSettled) {
        violations.push("the event is settled and has no domain event event.settled".into());
    }
    violations
}

fn wrong_domain_event(facts: &Facts, domain_event: &DomainEvent) -> Option<String> {
    let published = domain_event.kind.outcome()?;
    let decided = domain_event.app_key.and_then(|key| facts.row(key)).and_then(|row| row.outcome);
    let fits = decided.is_some_and(|decided| decided == published || published.may_become(decided));
    (!fits).then(|| {
        let application =
            domain_event.app_key.map_or_else(|| "no application".to_owned(), |key| facts.describe(key));
        let decided = decided.map_or("no outcome", Outcome::as_str);
        format!("a domain event reports {application} as {}, the ledger has {decided}", published.as_str())
    })
}
