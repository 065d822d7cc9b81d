//! The checker is itself checked: it is content with what is right, and tells each planted bug by the right invariant.

use ledger::Ledger;
use queue::Queue;
use worker::verify::{InvariantCheck, VerifyReport, Witness, verify, verify_twice};

use crate::bugs::{Bug, of_ends, of_people, of_seats, of_the_queue};
use crate::people::spring;
use crate::stores::Stage::{Running, Settled};
use crate::stores::Stores;

fn told(report: &VerifyReport) -> String {
    report.checks.iter().flat_map(|check| &check.listed).cloned().collect::<Vec<_>>().join("\n    ")
}

fn names(report: &VerifyReport, which: impl Fn(&InvariantCheck) -> bool) -> Vec<&'static str> {
    report.checks.iter().filter(|check| which(check)).map(|check| check.name).collect()
}

async fn look(stores: &(Queue, Ledger), witness: &Witness) -> VerifyReport {
    verify_twice((&stores.0, &stores.1), &spring(), witness, async {}).await.unwrap()
}

/// Plants each bug in a copy of its own and tells what the checker missed or said too much.
async fn expect_caught(bugs: &[Bug]) {
    let (running, settled) = (Stores::at(Running).await, Stores::at(Settled).await);
    let mut wrong = Vec::new();
    for bug in bugs {
        let stores = if bug.stage == Running { &running } else { &settled };
        let (copy, mut witness) = (stores.copy().await, stores.witness.clone());
        copy.write_line(&bug.queue).await;
        copy.write_ledger(&bug.ledger).await;
        (bug.witness)(&mut witness);
        let report = look(&copy.open().await, &witness).await;
        let broken = names(&report, |check| check.violations > 0);
        if broken != bug.breaks || !told(&report).contains(bug.told) {
            let (what, told) = (bug.what, told(&report));
            wrong.push(format!(
                "{what}: {broken:?} instead of {:?} with '{}'\n    {told}",
                bug.breaks, bug.told
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[tokio::test]
async fn an_event_that_went_as_it_should_keeps_all_promises() {
    for stage in [Running, Settled] {
        let stores = Stores::at(stage).await;
        let copy = stores.copy().await;
        let (queue, ledger) = copy.open().await;
        let report = verify(&queue, &ledger, &spring(), &stores.witness).await.unwrap();
        assert_eq!(report.violations(), 0, "{stage:?}: {}", told(&report));
        assert_eq!(
            names(&report, |check| check.not_checked.is_none()),
            ["I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9"]
        );
        let figures = if stage == Running { (13, 4, 2) } else { (13, 6, 0) };
        assert_eq!((report.applications, report.sold, report.under_way), figures);
    }
}

#[tokio::test]
async fn what_no_outsider_tells_is_called_unchecked() {
    let stores = Stores::at(Running).await;
    let report = look(&stores.copy().await.open().await, &Witness::default()).await;
    assert_eq!(report.violations(), 0, "{}", told(&report));
    assert_eq!(names(&report, |check| check.not_checked.is_some()), ["I1", "I7"]);
}

#[tokio::test]
async fn a_bug_with_people_and_numbers_is_caught() {
    expect_caught(&of_people()).await;
}

#[tokio::test]
async fn a_bug_with_seats_and_orders_is_caught() {
    expect_caught(&of_seats()).await;
}

#[tokio::test]
async fn a_bug_with_outcomes_and_domain_events_is_caught() {
    expect_caught(&of_ends()).await;
}

#[tokio::test]
async fn a_bug_within_the_queue_is_caught() {
    expect_caught(&of_the_queue()).await;
}

#[tokio::test]
async fn what_passes_while_the_system_runs_is_not_told() {
    let stores = Stores::at(Running).await;
    let copy = stores.copy().await;
    copy.write_line("UPDATE application SET mark = 'A' WHERE number IN (10, 11)").await;
    let (queue, ledger) = copy.open().await;
    let mend = async {
        copy.write_line("UPDATE application SET mark = 'W' WHERE number = 10").await;
    };
    let report = verify_twice((&queue, &ledger), &spring(), &stores.witness, mend).await.unwrap();
    assert_eq!(told(&report), "number 11 is marked admitted and is not in the ledger");
}

#[tokio::test]
async fn a_ledger_that_cannot_be_read_is_an_error_and_no_clean_report() {
    let stores = Stores::at(Running).await;
    let copy = stores.copy().await;
    copy.write_ledger("UPDATE application SET outcome = NULL, order_no = NULL WHERE number = 5").await;
    let (queue, ledger) = copy.open().await;
    let error = verify_twice((&queue, &ledger), &spring(), &stores.witness, async {}).await.unwrap_err();
    assert!(error.to_string().contains("inconsistent"), "{error}");
}

#[tokio::test]
async fn a_report_tells_the_first_twenty_and_counts_all() {
    let stores = Stores::at(Running).await;
    let copy = stores.copy().await;
    copy.write_line("UPDATE queue SET seq = 200, number_limit = 200").await;
    let report = look(&copy.open().await, &stores.witness).await;
    let queue = report.checks.last().unwrap();
    assert_eq!((queue.name, queue.violations, queue.listed.len()), ("I9", 179, 20));
}
