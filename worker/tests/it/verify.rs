//! Verify passes correct stores, and reports each planted bug under the right invariant.

use ledger::Ledger;
use queue::Queue;
use worker::verify::{InvariantCheck, VerifyReport, Witness, verify, verify_twice};

use crate::applicants::spring;
use crate::planted_bugs::{PlantedBug, in_numbers, in_outcomes, in_seats, in_the_queue};
use crate::stores::Stage::{Running, Settled};
use crate::stores::Stores;

fn listed_violations(report: &VerifyReport) -> String {
    report.checks.iter().flat_map(|check| &check.listed).cloned().collect::<Vec<_>>().join("\n    ")
}

fn names(report: &VerifyReport, which: impl Fn(&InvariantCheck) -> bool) -> Vec<&'static str> {
    report.checks.iter().filter(|check| which(check)).map(|check| check.name).collect()
}

async fn verify_once(stores: &(Queue, Ledger), witness: &Witness) -> VerifyReport {
    verify_twice((&stores.0, &stores.1), &spring(), witness, async {}).await.unwrap()
}

/// Plants each bug in its own copy of the stores, and fails with all missed and superfluous violations.
async fn assert_caught(bugs: &[PlantedBug]) {
    let running = Stores::at(Running).await;
    let settled = Stores::at(Settled).await;
    let mut wrong = Vec::new();
    for bug in bugs {
        let stores = if bug.stage == Running { &running } else { &settled };
        let copy = stores.copy().await;
        let mut witness = stores.witness.clone();
        copy.write_queue(&bug.queue).await;
        copy.write_ledger(&bug.ledger).await;
        (bug.witness)(&mut witness);
        let report = verify_once(&copy.open().await, &witness).await;
        let broken = names(&report, |check| check.violations > 0);
        if broken != bug.breaks || !listed_violations(&report).contains(bug.sentence) {
            let listed = listed_violations(&report);
            let what = bug.what;
            wrong.push(format!(
                "{what}: {broken:?} instead of {:?} with '{}'\n    {listed}",
                bug.breaks, bug.sentence
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_correct_event_passes_all_checks() {
    for stage in [Running, Settled] {
        let stores = Stores::at(stage).await;
        let copy = stores.copy().await;
        let (queue, ledger) = copy.open().await;
        let report = verify(&queue, &ledger, &spring(), &stores.witness).await.unwrap();
        assert_eq!(report.violations(), 0, "{stage:?}: {}", listed_violations(&report));
        assert_eq!(
            names(&report, |check| check.not_checked.is_none()),
            ["I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9"]
        );
        let figures = if stage == Running { (13, 4, 2) } else { (13, 6, 0) };
        assert_eq!((report.applications, report.sold, report.under_way), figures);
    }
}

#[tokio::test]
async fn checks_without_outside_evidence_are_reported_as_skipped() {
    let stores = Stores::at(Running).await;
    let report = verify_once(&stores.copy().await.open().await, &Witness::default()).await;
    assert_eq!(report.violations(), 0, "{}", listed_violations(&report));
    assert_eq!(names(&report, |check| check.not_checked.is_some()), ["I1", "I7"]);
}

#[tokio::test]
async fn planted_bugs_of_numbers_are_caught() {
    assert_caught(&in_numbers()).await;
}

#[tokio::test]
async fn planted_bugs_of_seats_and_orders_are_caught() {
    assert_caught(&in_seats()).await;
}

#[tokio::test]
async fn planted_bugs_of_outcomes_and_domain_events_are_caught() {
    assert_caught(&in_outcomes()).await;
}

#[tokio::test]
async fn planted_bugs_of_the_queue_are_caught() {
    assert_caught(&in_the_queue()).await;
}

#[tokio::test]
async fn a_violation_that_the_second_check_does_not_find_is_dropped() {
    let stores = Stores::at(Running).await;
    let copy = stores.copy().await;
    copy.write_queue("UPDATE application SET state = 'A' WHERE number IN (10, 11)").await;
    let (queue, ledger) = copy.open().await;
    let repair = async {
        copy.write_queue("UPDATE application SET state = 'W' WHERE number = 10").await;
    };
    let report = verify_twice((&queue, &ledger), &spring(), &stores.witness, repair).await.unwrap();
    assert_eq!(listed_violations(&report), "number 11 is marked admitted and is not in the ledger");
}

#[tokio::test]
async fn an_unreadable_ledger_is_an_error_instead_of_a_clean_report() {
    let stores = Stores::at(Running).await;
    let copy = stores.copy().await;
    copy.write_ledger("UPDATE application SET outcome = NULL, order_no = NULL WHERE number = 5").await;
    let (queue, ledger) = copy.open().await;
    let error = verify_twice((&queue, &ledger), &spring(), &stores.witness, async {}).await.unwrap_err();
    assert!(error.to_string().contains("inconsistent"), "{error}");
}

#[tokio::test]
async fn a_report_lists_the_first_twenty_violations_and_counts_all() {
    let stores = Stores::at(Running).await;
    let copy = stores.copy().await;
    copy.write_queue("UPDATE queue SET seq = 200, number_limit = 200").await;
    let report = verify_once(&copy.open().await, &stores.witness).await;
    let queue = report.checks.last().unwrap();
    assert_eq!((queue.name, queue.violations, queue.listed.len()), ("I9", 179, 20));
}
