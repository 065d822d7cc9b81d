//! One leader at a time; recovery of a queue that was wiped, replaced or restarted; the release.

use domain::{EventState, Outcome, Release, ReqHash};
use ledger::{Candidate, Change, QueueReading};
use queue::{ArmRequest, Continuity};
use testkit::order_stub::Behavior;
use testkit::until_some;

use crate::applicants::{key, settings, spring};
use crate::captured_log::CapturedLog;
use crate::harness::{WorkerHarness, applicant_of, until_rounds};

async fn limit(harness: &WorkerHarness) -> u32 {
    harness.ledger.event(&spring()).await.unwrap().number_limit
}

#[tokio::test]
async fn a_restart_before_the_opening_leaves_the_first_number_at_1() {
    let opens_at = service::clock::system_now() + 3000;
    let mut harness = WorkerHarness::open_with(settings(5, opens_at)).await;
    for _ in 0..2 {
        let worker = harness.start().await;
        until_rounds(&harness, 1).await;
        harness.stop(worker).await;
        harness.close_queue().await;
        harness.open_queue().await;
    }
    let worker = harness.start().await;
    until_some("the opening", async || (service::clock::system_now() > opens_at).then_some(())).await;
    until_rounds(&harness, 1).await;
    assert_eq!(harness.apply(1..=2).await, [1, 2]);
    harness.until_outcome_in_queue([1, 2], Outcome::Ordered).await;
    harness.stop(worker).await;
}

#[tokio::test]
async fn an_admitted_number_is_skipped_even_before_the_opening() {
    let mut harness = WorkerHarness::open_with(settings(5, service::clock::system_now() + 3_600_000)).await;
    let worker = harness.start().await;
    until_rounds(&harness, 1).await;
    harness.stop(worker).await;
    harness.close_queue().await;
    harness.open_queue().await;
    let limit = limit(&harness).await;
    let fence = harness.ledger.acquire_leadership(&spring()).await.unwrap().unwrap().fence;
    let candidate = Candidate {
        number: 1.try_into().unwrap(),
        app_key: key(1),
        req_hash: ReqHash::NONE,
        contact: String::new(),
    };
    harness.ledger.admit(&spring(), fence, &[candidate], QueueReading::default()).await.unwrap();
    harness.ledger.step_down(&spring(), fence).await.unwrap();

    let worker = harness.start().await;
    until_some("the skip", async || {
        let snapshot = harness.queue().snapshot(&spring()).await.ok()?;
        (snapshot.armed && snapshot.seq >= limit).then_some(())
    })
    .await;
    harness.stop(worker).await;
}

#[tokio::test]
async fn a_wiped_queue_gets_back_all_applications_of_the_ledger() {
    let mut harness = WorkerHarness::open(5).await;
    harness
        .stub
        .behave(|call| if applicant_of(call) == 2 { Behavior::reject(409) } else { Behavior::Normal });
    let worker = harness.start().await;
    harness.apply(1..=8).await;
    harness.until_outcome_in_queue([1, 3, 4, 5, 6], Outcome::Ordered).await;
    harness.until_outcome_in_queue([2], Outcome::Rejected).await;
    harness.stop(worker).await;
    harness.close_queue().await;
    harness.replace_queue(None);
    harness.open_queue().await;
    let skipped = limit(&harness).await;

    let worker = harness.start().await;
    harness.until_outcome_in_queue([1, 3, 4, 5, 6], Outcome::Ordered).await;
    harness.until_outcome_in_queue([2], Outcome::Rejected).await;
    for n in 1..=6 {
        assert_eq!(harness.place(n).await.unwrap().number.get(), n);
    }
    let known = harness.apply([6, 2]).await;
    let new = harness.apply([9, 8]).await;
    assert_eq!((known, new), (vec![6, 2], vec![skipped + 1, skipped + 2]));
    assert_eq!(harness.stub.call_count(), 6, "{:?}", harness.calls());
    harness.stop(worker).await;
    // Only waiting applications are lost, and reported: 7, and 8, which applied again.
    let report = harness.verified().await;
    let listed: Vec<_> =
        report.checks.iter().flat_map(|check| check.listed.iter().map(String::as_str)).collect();
    let lost = format!("number 7 ({}) was acknowledged and is in neither queue nor ledger", key(7));
    let again = format!("number 8 was acknowledged and is now number {}", skipped + 2);
    assert_eq!(listed, [lost.as_str(), again.as_str()]);
}

#[tokio::test]
async fn an_older_copy_of_the_queue_gets_back_later_admissions() {
    let mut harness = WorkerHarness::open(5).await;
    let worker = harness.start().await;
    harness.apply(1..=3).await;
    harness.until_outcome_in_queue(1..=3, Outcome::Ordered).await;
    harness.stop(worker).await;
    let copy = harness.copy_of_queue().await;
    let worker = harness.start().await;
    harness.apply(4..=5).await;
    harness.until_outcome_in_queue(4..=5, Outcome::Ordered).await;
    harness.stop(worker).await;
    harness.close_queue().await;
    harness.replace_queue(Some(copy));
    harness.open_queue().await;
    let skipped = limit(&harness).await;

    let worker = harness.start().await;
    harness.until_outcome_in_queue(1..=5, Outcome::Ordered).await;
    assert_eq!(harness.apply([5, 4, 6]).await, [5, 4, skipped + 1]);
    harness.stop_and_verify(worker).await;
    assert_eq!(harness.stub.call_count(), 5);
}

#[tokio::test]
async fn an_interrupted_restore_is_finished_by_the_next_leader() {
    let mut harness = WorkerHarness::open(5).await;
    let worker = harness.start().await;
    harness.apply(1..=4).await;
    harness.until_outcome_in_queue(1..=4, Outcome::Ordered).await;
    harness.stop(worker).await;
    harness.close_queue().await;
    harness.replace_queue(None);
    harness.open_queue().await;
    // A leader that crashes right after arming.
    let lead = harness.ledger.acquire_leadership(&spring()).await.unwrap().unwrap();
    let epoch = harness.ledger.start_epoch(&spring(), lead.fence).await.unwrap();
    let settings = lead.event.settings;
    let rev = lead.event.rev;
    let arming = ArmRequest {
        epoch: epoch.epoch,
        number_limit: epoch.number_limit,
        continuity: Continuity::Unknown,
        settings,
        rev,
    };
    harness.queue().arm(&spring(), lead.fence.0, arming).await.unwrap();
    harness.ledger.step_down(&spring(), lead.fence).await.unwrap();

    let worker = harness.start().await;
    harness.until_outcome_in_queue(1..=4, Outcome::Ordered).await;
    harness.stop_and_verify(worker).await;
}

#[tokio::test]
async fn an_event_is_frozen_and_reported_when_queue_contradicts_ledger() {
    let log = CapturedLog::start();
    // The same event in another installation, where other applicants have the same numbers.
    let mut other = WorkerHarness::open(1).await;
    let worker = other.start().await;
    other.apply(31..=34).await;
    other.until_outcome_in_queue([31], Outcome::Ordered).await;
    other.stop(worker).await;
    let foreign = other.copy_of_queue().await;

    let mut harness = WorkerHarness::open(5).await;
    harness
        .stub
        .behave(|call| if applicant_of(call) == 3 { Behavior::error_page(503) } else { Behavior::Normal });
    let worker = harness.start().await;
    harness.apply(1..=3).await;
    harness.until_outcome_in_queue(1..=2, Outcome::Ordered).await;
    until_some("a try for 3", async || harness.calls().contains(&"PUT 3".to_owned()).then_some(())).await;
    harness.stop(worker).await;
    harness.close_queue().await;
    harness.replace_queue(Some(foreign));
    harness.open_queue().await;
    let skipped = limit(&harness).await;

    let worker = harness.start().await;
    let why = until_some("the freeze", async || harness.ledger.event(&spring()).await.unwrap().frozen).await;
    assert!(why.contains("at number 2") && why.contains("put back"), "{why}");
    // Admission stops. Numbers are still given, and the orders of admitted applications are made.
    harness.stub.behave(|_| Behavior::Normal);
    assert_eq!(harness.apply(41..=42).await, [skipped + 1, skipped + 2]);
    until_some("the order of 3", async || harness.state(3).await.filter(|state| *state == "ordered")).await;
    until_rounds(&harness, 2).await;
    assert_eq!(
        (harness.seats().await, harness.ledger.applications(&spring(), 0, 100).await.unwrap().len()),
        ((2, 0, 3), 3)
    );
    assert_eq!(log.count("event spring is frozen, admission is stopped"), 1);
    let reports_freeze =
        |report: String| report.contains("[!]leader event spring is frozen") && report.contains(&why);
    assert!(reports_freeze(worker.health.readiness().report));
    harness.stop(worker).await;
    // The next leader reports it too.
    let worker = harness.start().await;
    until_some("the warning", async || reports_freeze(worker.health.readiness().report).then_some(())).await;
    assert_eq!(log.count("event spring is frozen, admission is stopped"), 2);
    harness.stop(worker).await;
}

#[tokio::test]
async fn a_frozen_event_is_not_settled() {
    let harness = WorkerHarness::open_with(settings(1, service::clock::system_now() - 25 * 3_600_000)).await;
    harness.freeze("under investigation").await;
    let worker = harness.start().await;
    let state = async || harness.ledger.event(&spring()).await.unwrap().state;
    until_some("the settling", async || (state().await == EventState::Settling).then_some(())).await;
    until_rounds(&harness, 2).await;
    assert_eq!(state().await, EventState::Settling);
    harness.change(Change::Unfreeze).await;
    until_some("the end", async || (state().await == EventState::Settled).then_some(())).await;
    until_some("the passing health check", async || {
        let report = worker.health.readiness().report;
        report.contains("[+]leader ok").then_some(())
    })
    .await;
    harness.stop_and_verify(worker).await;
}

#[tokio::test]
async fn the_release_pauses_drains_and_resumes() {
    let mut harness = WorkerHarness::open_with(domain::EventSettings {
        in_flight_max: 4,
        ..settings(5, service::clock::system_now() - 1000)
    })
    .await;
    harness.stub.behave(|_| Behavior::error_page(503));
    let worker = harness.start().await;
    harness.apply(1..=5).await;
    until_some("four tried", async || (harness.stub.call_count() >= 4).then_some(())).await;
    harness.change(Change::Pause).await;
    let paused =
        async || harness.queue().snapshot(&spring()).await.unwrap().settings.release == Release::Paused;
    until_some("the pause", async || paused().await.then_some(())).await;
    // Calls in flight are finished.
    until_rounds(&harness, 1).await;
    let tried = harness.stub.call_count();
    harness.stub.behave(|_| Behavior::Normal);
    until_rounds(&harness, 3).await;
    assert_eq!((harness.stub.call_count(), harness.seats().await), (tried, (1, 4, 0)));

    harness.change(Change::Drain).await;
    harness.until_outcome_in_queue(1..=4, Outcome::Ordered).await;
    until_rounds(&harness, 2).await;
    assert_eq!((harness.state(5).await, harness.seats().await), (None, (1, 0, 4)));

    harness.change(Change::Resume).await;
    harness.until_outcome_in_queue([5], Outcome::Ordered).await;
    harness.stop_and_verify(worker).await;
}

#[tokio::test]
async fn two_workers_make_each_order_once_and_hand_over_the_leadership() {
    let log = CapturedLog::start();
    let mut harness = WorkerHarness::open_with(domain::EventSettings {
        pace: "100".parse().unwrap(),
        ..settings(35, service::clock::system_now() - 1000)
    })
    .await;
    harness.stub.behave(|call| {
        if applicant_of(call).is_multiple_of(7) { Behavior::reject(409) } else { Behavior::Normal }
    });
    let first = harness.start().await;
    until_some("the first leader", async || harness.queue().snapshot(&spring()).await.ok()).await;
    let second = harness.start().await;
    harness.apply(1..=40).await;
    until_some("ten orders", async || (harness.stub.call_count() >= 10).then_some(())).await;
    let fence = harness.ledger.event(&spring()).await.unwrap().fence;
    harness.stop(first).await;
    let next = until_some("the next leader", async || {
        harness.ledger.event(&spring()).await.ok().map(|event| event.fence).filter(|now| *now > fence)
    })
    .await;
    assert_eq!((fence.0, next.0), (1, 2));
    harness.until_outcome_in_queue((1..=40).filter(|n| n % 7 != 0), Outcome::Ordered).await;
    harness.until_outcome_in_queue((1..=40).filter(|n| n % 7 == 0), Outcome::Rejected).await;
    harness.stop_and_verify(second).await;
    let mut calls = harness.calls();
    calls.sort_unstable();
    calls.dedup();
    assert_eq!((calls.len(), harness.stub.call_count()), (40, 40));
    assert_eq!((log.count("leading event spring"), log.count("lost leadership")), (2, 0), "{}", log.text());
}

#[tokio::test]
async fn a_stopping_worker_releases_the_leadership_at_once() {
    let harness = WorkerHarness::open(1).await;
    let worker = harness.start().await;
    until_some("the leader", async || harness.queue().snapshot(&spring()).await.ok()).await;
    assert_eq!(harness.ledger.acquire_leadership(&spring()).await.unwrap(), None);
    harness.stop(worker).await;
    assert!(harness.ledger.acquire_leadership(&spring()).await.unwrap().is_some());
}
