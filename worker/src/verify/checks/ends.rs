//! How applications end: one outcome each (I6), and one domain event for each outcome (I8).

use std::collections::HashSet;

use domain::{ApplicationState, EventState, Outcome};
use ledger::{ApplicationRow, OutboxRow};
use queue::{Entry, QueueState, Shown};

use super::Violations;
use crate::verify::gather::Facts;

/// The domain event that stands for all who are sold out.
const SETTLED: &str = "event.settled";

pub(super) fn one_outcome(facts: &Facts) -> Violations {
    let mut broken: Violations = facts.rows.iter().filter_map(outcome_misfits).collect();
    broken.extend(left_open(facts));
    broken.extend(facts.entries.iter().filter_map(|entry| shown_otherwise(facts, entry)));
    broken
}

/// Only who ended has an outcome, and an order that is being taken back.
fn outcome_misfits(row: &ApplicationRow) -> Option<String> {
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

/// Who has no outcome in a settled event. Those who wait up to `settled_seq` are sold out, without a row.
fn left_open(facts: &Facts) -> Violations {
    let Some(through) = settled_through(facts) else { return Vec::new() };
    let rows = facts.rows.iter().filter(|row| row.outcome.is_none()).map(|row| row.number);
    let unbooked = facts.entries.iter().filter(|entry| facts.row(entry.app_key).is_none());
    let forgotten =
        unbooked.filter(|entry| entry.mark != QueueState::Waiting || entry.number.get() > through);
    rows.chain(forgotten.map(|entry| entry.number))
        .map(|number| format!("the event is settled and number {number} has no outcome"))
        .collect()
}

fn settled_through(facts: &Facts) -> Option<u32> {
    (facts.event.state == EventState::Settled).then(|| facts.event.settled_seq.unwrap_or(0))
}

fn shown_otherwise(facts: &Facts, entry: &Entry) -> Option<String> {
    let shown = entry.shown.as_ref()?;
    let row = facts.row(entry.app_key);
    let fits = match row {
        Some(row) => shown_fits(shown, row),
        None => {
            shown.outcome == Outcome::SoldOut
                && settled_through(facts).is_some_and(|through| entry.number.get() <= through)
        }
    };
    (!fits).then(|| {
        let (queue, ledger) = (shown.order_no.as_deref(), row.and_then(|row| row.order_no.as_deref()));
        let booked = row.and_then(|row| row.outcome);
        let said = |outcome: Option<Outcome>, order_no: Option<&str>| {
            let word = outcome.map_or("nothing", Outcome::as_str);
            order_no.map_or(word.to_owned(), |order_no| format!("{word} as {order_no}"))
        };
        format!(
            "number {} is shown {}, the ledger says {}",
            entry.number,
            said(Some(shown.outcome), queue),
            said(booked, ledger)
        )
    })
}

fn shown_fits(shown: &Shown, row: &ApplicationRow) -> bool {
    match row.outcome {
        Some(booked) if booked == shown.outcome => row.order_no == shown.order_no,
        // The queue is told a moment after the ledger decided.
        Some(booked) => shown.outcome.may_become(booked),
        None => false,
    }
}

pub(super) fn domain_events(facts: &Facts) -> Violations {
    let mut broken = unsaid(facts);
    broken.extend(facts.outbox.iter().filter_map(|domain_event| untrue(facts, domain_event)));
    let (settled, told) = (
        settled_through(facts).is_some(),
        facts.outbox.iter().any(|domain_event| domain_event.kind == SETTLED),
    );
    if settled != told {
        let (is, says) = if settled { ("", "no") } else { ("not ", "a") };
        broken.push(format!("the event is {is}settled and {says} domain event says so"));
    }
    broken
}

fn unsaid(facts: &Facts) -> Violations {
    let posted: HashSet<_> = facts
        .outbox
        .iter()
        .map(|domain_event| (domain_event.app_key.as_str(), domain_event.kind.as_str()))
        .collect();
    let ended = facts.rows.iter().filter_map(|row| row.outcome.map(|outcome| (row, outcome)));
    ended
        .filter(|(row, outcome)| {
            let (key, kind) = (row.app_key.to_string(), format!("application.{}", outcome.as_str()));
            !posted.contains(&(key.as_str(), kind.as_str()))
        })
        .map(|(row, outcome)| {
            format!("number {} is {} and no domain event says so", row.number, outcome.as_str())
        })
        .collect()
}

fn untrue(facts: &Facts, domain_event: &OutboxRow) -> Option<String> {
    let told = domain_event.kind.strip_prefix("application.").and_then(Outcome::parse)?;
    let key = domain_event.app_key.parse().ok();
    let booked = key.and_then(|key| facts.row(key)).and_then(|row| row.outcome);
    let fits = booked.is_some_and(|booked| booked == told || told.may_become(booked));
    (!fits).then(|| {
        let who = key.map_or_else(|| domain_event.app_key.clone(), |key| facts.who(key));
        let booked = booked.map_or("nothing", Outcome::as_str);
        format!("a domain event says that {who} is {}, the ledger says {booked}", told.as_str())
    })
}
