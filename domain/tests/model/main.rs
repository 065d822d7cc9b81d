//! A model of the protocol between queue, ledger, order service and the processes, checked over every order of their steps within
//! bounds. Any process may stop for any time between two steps, and go on with what it read before.
//!
//! The states of an application and their transitions are those of the program (`domain::ApplicationState`). The rest is a
//! transcription of the two stores and of the worker in small; it has no time: a lease can expire at any moment. `cargo xtask model`
//! checks larger bounds.
#![expect(clippy::print_stdout, reason = "a run says how much it checked")]

mod applicant;
mod dispatcher;
mod faults;
mod leader;
mod promises;
mod protocol;
mod reconciliation;
mod state;

use protocol::{Protocol, Rule};
use state::FaultsPlayed;
use stateright::{Checker, Model};

/// Two applicants for one seat, two workers.
const SMALL: Protocol = Protocol {
    people: 2,
    seats: 1,
    leaders: 2,
    dispatchers: 1,
    fences: 2,
    numbers: 2,
    epochs: 3,
    leases: 2,
    faults: FaultsPlayed { wipes: 0, restarts: 0, rollbacks: 0 },
    left_out: None,
};

/// Whether to check larger bounds.
fn is_large() -> bool {
    std::env::var_os("FIRSTCOME_MODEL_LARGE").is_some()
}

/// Checks all states. Returns how a promise is broken: the steps and the promise.
fn check(protocol: Protocol) -> Result<usize, String> {
    let threads = if is_large() { std::thread::available_parallelism().map_or(1, usize::from) } else { 1 };
    let checker = protocol.checker().threads(threads).spawn_bfs().join();
    let states = checker.unique_state_count();
    println!("{states} states, {} steps deep: {protocol:?}", checker.max_depth());
    let Some(path) = checker.discovery("every promise is kept") else { return Ok(states) };
    let broken = path.last_state().broken.unwrap_or("nothing");
    let steps: Vec<String> = path.into_actions().iter().map(|step| format!("{step:?}")).collect();
    Err(format!("{broken}, after:\n{}", steps.join("\n")))
}

#[track_caller]
fn assert_kept(protocol: Protocol, states_min: usize) {
    match check(protocol) {
        // A model that is stuck keeps every promise, too.
        Ok(states) => assert!(states >= states_min, "only {states} states"),
        Err(broken) => panic!("{broken}"),
    }
}

/// A rule is needed if a promise is broken without it.
#[track_caller]
fn assert_needed(rule: Rule, promise: &str) {
    let protocol = Protocol { fences: 3, leases: 3, faults: ONE_ROLLBACK, left_out: Some(rule), ..SMALL };
    let broken = check(protocol).expect_err("the promises are kept without this rule");
    assert!(broken.starts_with(promise), "{broken}");
}

const ONE_ROLLBACK: FaultsPlayed = FaultsPlayed { wipes: 0, restarts: 0, rollbacks: 1 };
const ORPHAN: &str = "an application ended without an order, and has one";

#[test]
fn without_faults_two_workers_keep_every_promise() {
    let leases = if is_large() { 5 } else { 3 };
    assert_kept(Protocol { dispatchers: 2, leases, ..SMALL }, 500_000);
}

#[test]
fn a_ledger_that_was_put_back_keeps_every_promise() {
    let (leaders, leases) = if is_large() { (2, 2) } else { (1, 3) };
    assert_kept(Protocol { leaders, leases, faults: ONE_ROLLBACK, ..SMALL }, 400_000);
}

#[test]
fn a_queue_that_was_wiped_keeps_every_promise() {
    let faults = FaultsPlayed { wipes: 1, restarts: 0, rollbacks: 0 };
    let (leaders, leases) = if is_large() { (2, 2) } else { (1, 1) };
    assert_kept(Protocol { leaders, fences: 1, leases, numbers: 3, faults, ..SMALL }, 500_000);
}

#[test]
fn a_queue_that_was_restarted_keeps_every_promise() {
    let faults = FaultsPlayed { wipes: 0, restarts: 1, rollbacks: 0 };
    let (leaders, leases) = if is_large() { (2, 2) } else { (1, 1) };
    assert_kept(Protocol { leaders, leases, faults, ..SMALL }, 50_000);
}

#[test]
fn a_cancelled_seat_has_to_be_deleted_first() {
    assert_needed(Rule::CancelledSeatIsDeletedFirst, ORPHAN);
}

#[test]
fn order_calls_have_to_wait_for_the_queue() {
    assert_needed(Rule::OrdersWaitForTheQueue, ORPHAN);
}

#[test]
fn a_withdrawn_application_that_admission_read_has_to_be_deleted_first() {
    assert_needed(Rule::ReadNumberIsDeletedFirst, ORPHAN);
}

#[test]
fn counts_of_changes_have_to_carry_the_fence() {
    assert_needed(Rule::ChangesCarryTheFence, ORPHAN);
}
