//! The promises, checked in every state.

use domain::{ApplicationState, Outcome};

use crate::protocol::Protocol;
use crate::state::{Order, System};

/// Notes that an application gets a seat: all lower numbers must have had one.
pub(crate) fn note_admission(protocol: &Protocol, system: &mut System, who: usize, number: u8) {
    system.applicants[who].was_admitted = true;
    let is_passed_over = system.applicants[..protocol.people].iter().any(|other| {
        (1..number).contains(&other.acknowledged) && !other.has_cancelled && !other.was_admitted
    });
    if is_passed_over {
        system.broken = Some("a seat was given past a lower number");
    }
}

/// Returns the promise that this state breaks.
pub(crate) fn broken(protocol: &Protocol, system: &System) -> Option<&'static str> {
    let live = system.orders.iter().filter(|order| **order == Order::Live).count();
    if live > protocol.seats {
        return Some("there are more live orders than seats");
    }
    if system.seats_taken() > protocol.seats {
        return Some("more seats are taken than there are");
    }
    if system.ledger.frozen {
        return Some("the stores contradict each other");
    }
    (0..protocol.people).find_map(|who| broken_of(system, who))
}

/// Returns the promise to an applicant that this state breaks.
fn broken_of(system: &System, who: usize) -> Option<&'static str> {
    let number = system.applicants[who].acknowledged;
    if number == 0 {
        return None;
    }
    if system.queue.entries[who].is_some_and(|entry| entry.number != number) {
        return Some("the queue has an acknowledged application under another number");
    }
    let row = system.ledger.rows[who];
    if row.is_some_and(|row| row.number != number) {
        return Some("the ledger has an acknowledged application under another number");
    }
    if system.applicants[..who].iter().any(|other| other.acknowledged == number) {
        return Some("two applications have one number");
    }
    // A ledger that was just put back is told so before it decides anything.
    let has_caught_up = system.ledger.changes >= system.queue.ledger_changes;
    let has_ended = row.is_some_and(
        |row| matches!(row.state, ApplicationState::Ended(outcome) if outcome != Outcome::Ordered),
    );
    (has_ended && has_caught_up && system.orders[who] == Order::Live)
        .then_some("an application ended without an order, and has one")
}
