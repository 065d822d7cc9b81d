//! The reconciliation of a ledger that was put back to an older state.

use domain::{ApplicationState, Outcome, Undo};

use crate::leader::{cancel, ended, is_refused_by_ledger, take_work};
use crate::protocol::{Protocol, Rule};
use crate::state::{Entry, Mark, Row, System, Work, capped};

/// Takes over what the queue has and the ledger lacks.
pub(crate) fn reconcile(protocol: &Protocol, system: &mut System, leader: usize) -> Option<()> {
    let Work::Entries { entries, admitted_through, changes } = take_work(system, leader) else { return None };
    if is_refused_by_ledger(system, leader) {
        return Some(());
    }
    let mut in_order: Vec<(usize, Entry)> =
        (0..protocol.people).filter_map(|who| entries[who].map(|entry| (who, entry))).collect();
    in_order.retain(|(_, entry)| entry.mark != Mark::Waiting);
    // The admitted ones first: each of them has a seat.
    in_order.sort_unstable_by_key(|(_, entry)| (entry.mark == Mark::Withdrawn, entry.number));
    let (mut without_seat, mut never_admitted) = (0, Vec::new());
    for (who, entry) in in_order {
        if let Some(row) = system.ledger.rows[who] {
            if row.number != entry.number {
                system.ledger.frozen = true;
                return Some(());
            }
            repeat_ending(protocol, system, who, entry);
            continue;
        }
        // Admission may have read it before it was withdrawn.
        let may_have_order = entry.mark == Mark::Withdrawn
            && entry.number <= admitted_through
            && protocol.follows(Rule::ReadNumberIsDeletedFirst);
        match outcome_of(entry) {
            Some(outcome) if outcome != Outcome::Ordered && !may_have_order => {
                system.ledger.rows[who] = Some(ended(entry.number, outcome));
            }
            _ if system.seats_taken() < protocol.seats => seat_again(system, who, entry),
            _ if may_have_order => never_admitted.push((who, entry.number)),
            _ => without_seat += 1,
        }
    }
    if without_seat > 0 || !never_admitted.is_empty() {
        if system.is_under_way() {
            return Some(());
        }
        if without_seat > 0 {
            system.ledger.frozen = true;
            return Some(());
        }
        // All seats are sold, so none was ever theirs.
        for (who, number) in never_admitted {
            system.ledger.rows[who] = Some(ended(number, Outcome::Cancelled));
        }
    }
    system.leaders[leader].work = Work::Reconciled { changes };
    Some(())
}

/// Ends the reconciliation: an application may have been called since the older state.
pub(crate) fn end(system: &mut System, leader: usize) -> Option<()> {
    let Work::Reconciled { changes } = take_work(system, leader) else { return None };
    if is_refused_by_ledger(system, leader) {
        return Some(());
    }
    for row in system.ledger.rows.iter_mut().flatten() {
        if let ApplicationState::Ordering { attempts } = row.state {
            row.state = capped(ApplicationState::Ordering { attempts: attempts + 1 });
        }
    }
    system.ledger.changes = system.ledger.changes.max(changes);
    Some(())
}

fn outcome_of(entry: Entry) -> Option<Outcome> {
    if entry.mark == Mark::Withdrawn { Some(Outcome::Cancelled) } else { entry.outcome }
}

fn is_cancelled(entry: Entry) -> bool {
    entry.cancel_requested || outcome_of(entry) == Some(Outcome::Cancelled)
}

/// Repeats for a known application what ended it since.
fn repeat_ending(protocol: &Protocol, system: &mut System, who: usize, entry: Entry) {
    if outcome_of(entry) != Some(Outcome::Rejected) {
        if is_cancelled(entry) {
            cancel(protocol, system, who);
        }
        return;
    }
    if let Some(row) = &mut system.ledger.rows[who]
        && let ApplicationState::Ordering { .. } = row.state
    {
        row.state = ApplicationState::Undoing { undo: Undo::Reject, attempts: 0 };
        row.fence += 1;
    }
}

/// Adds an application that may have an order.
fn seat_again(system: &mut System, who: usize, entry: Entry) {
    let state = if is_cancelled(entry) {
        ApplicationState::Undoing { undo: Undo::Cancel, attempts: 0 }
    } else {
        ApplicationState::Ordering { attempts: 1 }
    };
    system.ledger.rows[who] = Some(Row { number: entry.number, state, fence: 0, in_queue: true });
}
