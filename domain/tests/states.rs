//! Compares the diagrams in docs/states.md with the transition functions.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;

use domain::application::Step;
use domain::{ApplicationState, EventState, Outcome, Undo};

const DOC: &str = include_str!("../../docs/states.md");

/// The arrows of the nth diagram, `from --> to` or `from --> to: step`.
fn drawn(nth: usize) -> BTreeSet<String> {
    let diagram = DOC.split("```mermaid").nth(nth + 1).unwrap().split("```").next().unwrap();
    let arrows =
        diagram.lines().map(str::trim).filter(|line| line.contains("-->") && !line.starts_with("[*]"));
    arrows.map(str::to_owned).collect()
}

fn states() -> Vec<ApplicationState> {
    let mut all = vec![ApplicationState::Waiting, ApplicationState::Withdrawn];
    all.extend([None, Some(Undo::Cancel), Some(Undo::Reject)].map(|undo| ApplicationState::Parked { undo }));
    all.extend([false, true].map(|extended| ApplicationState::Called { until: 1, extended }));
    for attempts in 0..3 {
        all.push(ApplicationState::Ordering { attempts });
        all.extend([Undo::Cancel, Undo::Reject].map(|undo| ApplicationState::Undoing { undo, attempts }));
    }
    all.extend(Outcome::ALL.map(ApplicationState::Ended));
    all
}

const STEPS: [(Step, &str); 17] = [
    (Step::Admit, "admit"),
    (Step::CallApplicant { until: 1 }, "admit"),
    (Step::Confirm { at: 0 }, "confirm"),
    (Step::Extend { at: 0, by: 1 }, "extend"),
    (Step::ReportOrdered, "report ordered"),
    (Step::ReportReleased, "report released"),
    (Step::Expire { now: 1 }, "expire"),
    (Step::RequestCancel, "request cancel"),
    (Step::RecordCancel, "record cancel"),
    (Step::Call, "call"),
    (Step::OrderAccepted, "accepted"),
    (Step::OrderRejected, "rejected"),
    (Step::OrderDeleted, "deleted"),
    (Step::Park, "park"),
    (Step::Retry, "retry"),
    (Step::Reject, "reject"),
    (Step::Settle, "settle"),
];

#[test]
fn the_diagram_of_an_application_has_exactly_its_steps() {
    let mut possible = BTreeSet::new();
    for from in states() {
        for (step, label) in STEPS {
            if let Some(to) = from.after(step) {
                possible.insert(format!("{} --> {}: {label}", from.as_str(), to.as_str()));
            }
        }
    }
    assert_eq!(possible, drawn(0));
}

#[test]
fn the_diagram_of_an_event_has_exactly_its_steps() {
    let pairs = EventState::ALL.into_iter().flat_map(|from| EventState::ALL.map(|to| (from, to)));
    let possible: BTreeSet<String> = pairs
        .filter(|(from, to)| from.may_become(*to))
        .map(|(from, to)| format!("{} --> {}", from.as_str(), to.as_str()))
        .collect();
    assert_eq!(possible, drawn(1));
}
