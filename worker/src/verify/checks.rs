//! The invariants, each checked by a function from facts to sentences that describe violations. A sentence names the number and
//! contains no changing value: it counts only if a second check yields it again, word for word.

mod ends;
mod numbers;
mod queue_state;
mod seats;

use domain::Kind;

use super::facts::{Facts, Witness};
use super::report::CheckResult;

/// Checks every invariant.
pub(super) fn run_all(facts: &Facts, witness: &Witness) -> Vec<CheckResult> {
    match &witness.orders {
        Some(orders) if facts.event.settings.kind == Kind::Pass => {
            let orders = Some(facts.orders_by_key(orders));
            check_all(facts, &Witness { acks: witness.acks.clone(), orders })
        }
        _ => check_all(facts, witness),
    }
}

fn check_all(facts: &Facts, witness: &Witness) -> Vec<CheckResult> {
    let result = |name, promise, violations| CheckResult { name, promise, not_checked: None, violations };
    let mut all = vec![
        result("I1", "no acknowledged application is lost", numbers::none_lost(facts, witness)),
        result("I2", "one application per person, one person per number", numbers::unique(facts, witness)),
        result("I3", "a number never changes", numbers::unchanged(facts, witness)),
        result("I4", "no seat is given while a lower number waits", numbers::seated_in_order(facts)),
        result("I5", "live orders are within the capacity", seats::within_capacity(facts, witness)),
        result("I6", "exactly one outcome", ends::one_outcome(facts)),
        result("I7", "no orphan order, no orphan seat", seats::no_orphans(facts, witness)),
        result("I8", "domain events match the outcomes", ends::domain_events(facts)),
        result("I9", "the queue's own indexes agree", queue_state::is_consistent(facts)),
    ];
    if witness.acks.is_none() {
        all[0].not_checked = Some("pass the receipts of applicants with --acks");
    }
    if facts.event.outbox_purged > 0 {
        all[7].not_checked = Some("old domain events are deleted; those that are left were checked");
    }
    if witness.orders.is_none() {
        all[6].not_checked = Some("pass the order service's list with --orders; seats were checked");
    }
    all
}
