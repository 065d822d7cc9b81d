//! Changes by an operator take effect while workers run, in the queue and in the ledger, and violate no invariant.

use domain::event::Text;
use domain::{AppKey, EventId, EventSettings, EventState, Outcome};
use ledger::{Change, ChangeError, EndParked, EventPatch};
use queue::{Queue, QueueError};
use testkit::order_stub::Behavior;
use testkit::until_some;

use crate::applicants::{applicant, key, settings, spring};
use crate::harness::{WorkerHarness, applicant_of, until_rounds};
use crate::stores::write;

/// An event that opened a second ago.
fn open(capacity: u32) -> EventSettings {
    settings(capacity, service::clock::system_now() - 1000)
}

async fn refusal(queue: &Queue, n: u32) -> QueueError {
    queue.apply(&spring(), applicant(n)).await.unwrap_err()
}

#[tokio::test]
async fn a_pause_stops_the_next_call_until_the_release_resumes() {
    let mut harness =
        WorkerHarness::open_with(EventSettings { pace: "50".parse().unwrap(), ..open(60) }).await;
    let worker = harness.start().await;
    harness.apply(1..=60).await;
    until_some("ten orders", async || (harness.stub.call_count() >= 10).then_some(())).await;
    harness.change(Change::Pause).await;
    // From here on no call is leased. Calls that were leased before are made.
    let under_way = async || harness.ledger.has_due_call(&spring(), i64::MAX).await.unwrap();
    assert!(under_way().await, "no call is left to be stopped");
    let leased = async || {
        let rows = harness.ledger.applications(&spring(), 0, 100).await.unwrap();
        rows.iter().map(|row| row.attempts).sum::<u32>()
    };
    let paused_at = leased().await;
    until_rounds(&harness, 3).await;
    assert_eq!(leased().await, paused_at);
    harness.change(Change::Resume).await;
    harness.until_outcome_in_queue(1..=60, Outcome::Ordered).await;
    harness.stop_and_verify(worker).await;
}

#[tokio::test]
async fn a_new_pace_applies_from_the_next_call_on() {
    let slow = || Change::Pace("0.001".parse().unwrap());
    let mut harness =
        WorkerHarness::open_with(EventSettings { pace: "0.001".parse().unwrap(), ..open(20) }).await;
    let worker = harness.start().await;
    harness.apply(1..=10).await;
    until_some("ten seats", async || (harness.seats().await == (10, 10, 0)).then_some(())).await;
    until_rounds(&harness, 2).await;
    assert_eq!(harness.stub.call_count(), 0);
    harness.change(Change::Pace("1000".parse().unwrap())).await;
    harness.until_outcome_in_queue(1..=10, Outcome::Ordered).await;
    harness.change(slow()).await;
    // The one token of an idle bucket may still be used.
    harness.apply(11..=15).await;
    until_some("five seats", async || (harness.seats().await.0 == 5).then_some(())).await;
    until_rounds(&harness, 3).await;
    assert!(harness.stub.call_count() <= 11, "{:?}", harness.calls());
    harness.change(Change::Pace("1000".parse().unwrap())).await;
    harness.until_outcome_in_queue(11..=15, Outcome::Ordered).await;
    harness.stop_and_verify(worker).await;
}

#[tokio::test]
async fn a_changed_in_flight_max_raises_or_lowers_the_calls_in_flight() {
    let mut harness = WorkerHarness::open_with(EventSettings { in_flight_max: 1, ..open(9) }).await;
    harness.stub.behave(|_| Behavior::error_page(503));
    let worker = harness.start().await;
    harness.apply(1..=9).await;
    let until_held = async |held| {
        until_some("that many held seats", async || (harness.seats().await.1 == held).then_some(())).await;
    };
    until_held(1).await;
    until_rounds(&harness, 2).await;
    until_held(1).await;
    harness.change(Change::InFlightMax(4)).await;
    until_held(4).await;
    harness.change(Change::InFlightMax(2)).await;
    harness
        .stub
        .behave(|call| if applicant_of(call) > 4 { Behavior::error_page(503) } else { Behavior::Normal });
    harness.until_outcome_in_queue(1..=4, Outcome::Ordered).await;
    until_held(2).await;
    until_rounds(&harness, 2).await;
    assert_eq!(harness.seats().await, (3, 2, 4));
    harness.stub.behave(|_| Behavior::Normal);
    harness.until_outcome_in_queue(5..=9, Outcome::Ordered).await;
    harness.stop_and_verify(worker).await;
}

#[tokio::test]
async fn a_changed_capacity_adds_seats_for_waiting_or_removes_free_ones() {
    let mut harness = WorkerHarness::open(2).await;
    let worker = harness.start().await;
    harness.apply(1..=5).await;
    harness.until_outcome_in_queue(1..=2, Outcome::Ordered).await;
    until_rounds(&harness, 1).await;
    assert_eq!(harness.state(3).await, None);
    harness.change(Change::Capacity(4)).await;
    harness.until_outcome_in_queue(3..=4, Outcome::Ordered).await;
    harness.until_settings_projected().await;
    let by = ledger::ChangedBy { actor: "kim", reason: "" };
    let refused = harness.ledger.change(&spring(), None, &Change::Capacity(3), by).await;
    assert!(matches!(refused, Err(ChangeError::TooSmall { least: 4 })), "{refused:?}");
    harness.cancel(1).await;
    harness.until_outcome_in_queue([5], Outcome::Ordered).await;
    harness.cancel(2).await;
    harness.until_outcome_in_queue([2], Outcome::Cancelled).await;
    // Seat 2, in the middle, is free now.
    harness.change(Change::Capacity(3)).await;
    harness.change(Change::Capacity(5)).await;
    harness.apply(6..=8).await;
    harness.until_outcome_in_queue(6..=7, Outcome::Ordered).await;
    until_rounds(&harness, 1).await;
    assert_eq!((harness.seats().await, harness.state(8).await), ((0, 0, 5), None));
    harness.stop_and_verify(worker).await;
}

#[tokio::test]
async fn changed_settings_reach_the_queue() {
    let mut harness = WorkerHarness::open(2).await;
    let worker = harness.start().await;
    harness.apply([1]).await;
    let text = |ko: &str| Text { ko: ko.into(), en: "Slower for now".into() };
    let closes_at = service::clock::system_now() + 7_200_000;
    let update = EventPatch {
        title: Some(text("봄 행사")),
        closes_at: Some(closes_at),
        applications_max: Some(3),
        diverts: Some(vec!["/products/spring".into()]),
        intake: Some(false),
        ..EventPatch::default()
    };
    harness.change(Change::Update(update)).await;
    harness.change(Change::Announcement(text("느려졌어요"))).await;
    harness.until_settings_projected().await;
    assert_eq!(refusal(harness.queue(), 2).await, QueueError::OnHold);
    let again = harness.queue().apply(&spring(), applicant(1)).await.unwrap();
    assert_eq!(again.number.get(), 1, "a repeated application keeps its number");
    harness.change(Change::Update(EventPatch { intake: Some(true), ..EventPatch::default() })).await;
    harness.until_settings_projected().await;
    harness.apply(2..=3).await;
    assert_eq!(refusal(harness.queue(), 4).await, QueueError::Full);
    harness.stop_and_verify(worker).await;
}

#[tokio::test]
async fn an_event_is_opened_closed_and_settled_by_the_operator() {
    let later = service::clock::system_now() + 3_600_000;
    let harness_of = EventSettings { settle_after_close: false, ..settings(2, later) };
    let mut harness = WorkerHarness::open_with(harness_of).await;
    let worker = harness.start().await;
    until_some("the queue", async || harness.queue().snapshot(&spring()).await.ok()).await;
    assert_eq!(refusal(harness.queue(), 1).await, QueueError::NotOpen { opens_at: later });
    harness.change(Change::Open).await;
    harness.until_settings_projected().await;
    harness.apply(1..=3).await;
    harness.until_outcome_in_queue(1..=2, Outcome::Ordered).await;
    harness.until_state(EventState::Open).await;
    harness.change(Change::Close).await;
    harness.until_settings_projected().await;
    assert!(matches!(refusal(harness.queue(), 4).await, QueueError::Closed { .. }));
    harness.until_state(EventState::Closed).await;
    until_rounds(&harness, 2).await;
    assert_eq!(harness.event_state().await, EventState::Closed, "the event settled without a command");
    harness.change(Change::Settle).await;
    harness.until_state(EventState::Settled).await;
    harness.until_outcome_in_queue([3], Outcome::SoldOut).await;
    harness.stop_and_verify(worker).await;
}

#[tokio::test]
async fn an_event_can_be_settled_before_the_leader_noticed_the_closing() {
    let mut harness = WorkerHarness::open_with(EventSettings { settle_after_close: false, ..open(2) }).await;
    let worker = harness.start().await;
    harness.apply([1]).await;
    harness.until_outcome_in_queue([1], Outcome::Ordered).await;
    harness.change(Change::Close).await;
    harness.change(Change::Settle).await;
    harness.until_state(EventState::Settled).await;
    assert!(matches!(refusal(harness.queue(), 2).await, QueueError::Closed { .. }));
    harness.stop_and_verify(worker).await;
}

#[tokio::test]
async fn an_accepted_recovery_ends_the_grace_period() {
    let mut harness = WorkerHarness::open(5).await;
    let worker = harness.start().await;
    harness.apply(1..=2).await;
    harness.until_outcome_in_queue(1..=2, Outcome::Ordered).await;
    harness.stop(worker).await;
    harness.close_queue().await;
    harness.replace_queue(None);
    harness.open_queue().await;
    let worker = harness.start().await;
    harness.apply([3]).await;
    until_rounds(&harness, 2).await;
    assert_eq!(harness.state(3).await, None, "admission resumed within the grace period");
    let by = ledger::ChangedBy { actor: "kim", reason: "" };
    let status = until_some("the status", async || {
        harness.ledger.queue_status(&spring()).await.unwrap().filter(|status| status.waiting == 1)
    })
    .await;
    assert!(status.skipped_numbers >= 2 && status.armed, "{status:?}");
    let settle = harness.ledger.change(&spring(), None, &Change::Settle, by).await;
    assert!(matches!(settle, Err(ChangeError::NotNow { .. })), "{settle:?}");
    harness.change(Change::AcceptRecovery).await;
    harness.until_outcome_in_queue([3], Outcome::Ordered).await;
    harness.stop_and_verify(worker).await;
}

#[tokio::test]
async fn a_queue_that_acted_on_its_times_keeps_them() {
    let mut harness = WorkerHarness::open(2).await;
    let worker = harness.start().await;
    harness.apply([1]).await;
    harness.stop(worker).await;
    let opened_at = harness.ledger.event(&spring()).await.unwrap().settings.opens_at;
    // As if the change had been made in time and no leader had run since.
    let sql = "UPDATE event SET rev = rev + 1, settings = json_set(settings, '$.opens_at', 9, '$.closes_at', 99999999999999)";
    assert_eq!(write(&harness.file("ledger.db"), sql).await, 1);
    let worker = harness.start().await;
    let kept = until_some("the times of the queue", async || {
        harness.ledger.event(&spring()).await.ok().filter(|event| event.rev == 3)
    })
    .await;
    assert_eq!((kept.settings.opens_at, kept.settings.closes_at), (opened_at, 99_999_999_999_999));
    harness.until_settings_projected().await;
    until_rounds(&harness, 2).await;
    assert_eq!(harness.ledger.event(&spring()).await.unwrap().rev, 3, "the times are changed again");
    let row = harness.ledger.audit(Some(&spring()), None, 1).await.unwrap().remove(0);
    assert_eq!((row.actor.as_str(), row.action.as_str()), ("worker", "keep_times"));
    harness.stop_and_verify(worker).await;
}

#[tokio::test]
async fn an_event_created_while_workers_run_is_led_without_a_restart() {
    let mut harness = WorkerHarness::open(1).await;
    let worker = harness.start().await;
    harness.apply([1]).await;
    let by = ledger::ChangedBy { actor: "kim", reason: "one more" };
    let summer: EventId = "summer".parse().unwrap();
    let now = service::clock::system_now();
    harness.ledger.clone_event(&spring(), summer.clone(), now - 1000, now + 3_600_000, by).await.unwrap();
    let applied =
        until_some("a number", async || harness.queue().apply(&summer, applicant(2)).await.ok()).await;
    assert_eq!(applied.number.get(), 1);
    until_some("the order", async || {
        let rows = harness.ledger.applications(&summer, 0, 10).await.unwrap();
        rows.first().filter(|row| row.outcome == Some(Outcome::Ordered)).map(|_| ())
    })
    .await;
    harness.until_outcome_in_queue([1], Outcome::Ordered).await;
    harness.stop(worker).await;
}

#[tokio::test]
async fn the_operator_sees_the_queue_by_the_ledger() {
    let mut harness = WorkerHarness::open(2).await;
    let worker = harness.start().await;
    harness.apply(1..=5).await;
    harness.until_outcome_in_queue(1..=2, Outcome::Ordered).await;
    let status = until_some("three who wait", async || {
        let status = harness.ledger.queue_status(&spring()).await.unwrap();
        status.filter(|status| status.waiting == 3 && status.oldest_wait_ms.is_some())
    })
    .await;
    let view = harness.queue().snapshot(&spring()).await.unwrap();
    let seen = (
        status.epoch,
        status.state,
        status.seq,
        status.admitted_through,
        status.skipped_numbers,
        status.armed,
    );
    assert_eq!(seen, (view.epoch, EventState::Open, 5, 2, 0, true));
    let later = until_some("the next one", async || {
        harness.ledger.queue_status(&spring()).await.unwrap().filter(|next| next.at > status.at)
    })
    .await;
    assert!(later.at - status.at >= 900, "about once a second, not each round: {}", later.at - status.at);
    harness.stop_and_verify(worker).await;
}

#[tokio::test]
async fn a_parked_application_is_ended_by_the_operator() {
    let mut harness = WorkerHarness::open(2).await;
    harness.stub.behave(|call| {
        if applicant_of(call) == 1 { Behavior::NoResponse { executes: true } } else { Behavior::Normal }
    });
    harness.config.call_timeout = std::time::Duration::from_millis(100);
    let worker = harness.start().await;
    harness.apply(1..=3).await;
    until_some("a try for 1", async || harness.row(1).await.filter(|row| row.attempts >= 1)).await;
    let sql = format!("UPDATE application SET attempts = 49 WHERE app_key = '{}'", key(1));
    assert_eq!(write(&harness.file("ledger.db"), &sql).await, 1);
    until_some("the parking", async || harness.state(1).await.filter(|state| *state == "parked")).await;
    harness.until_outcome_in_queue([2], Outcome::Ordered).await;
    harness.stub.behave(|_| Behavior::Normal);
    let by = ledger::ChangedBy { actor: "kim", reason: "they called" };
    harness.ledger.end_parked(&spring(), key(1), EndParked::Reject, by).await.unwrap().unwrap();
    // The order whose response was lost is deleted first, then the seat is freed.
    harness.until_outcome_in_queue([1], Outcome::Rejected).await;
    harness.until_outcome_in_queue([3], Outcome::Ordered).await;
    assert!(harness.calls().contains(&"DELETE 1".to_owned()), "{:?}", harness.calls());
    harness.stop_and_verify(worker).await;
}

#[tokio::test]
async fn a_big_event_is_restored_over_many_rounds_before_a_new_number() {
    const KNOWN: u32 = 10_200;
    let mut harness = WorkerHarness::open(1).await;
    let sql = format!(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {KNOWN})
         INSERT INTO application (event, app_key, number, state, outcome, admitted_at, ended_at)
         SELECT 'spring', printf('%032x', n), n, 'ended', 'cancelled', 1, 1 FROM n;
         UPDATE event SET number_limit = {KNOWN}"
    );
    write(&harness.file("ledger.db"), &sql).await;
    let worker = harness.start().await;
    assert_eq!(harness.apply([1]).await, [KNOWN + 1]);
    let last = AppKey(u128::from(KNOWN).to_be_bytes());
    let place = harness.queue().entry(&spring(), last).await.unwrap().unwrap();
    assert_eq!(place.number.get(), KNOWN, "the last application is restored before the first new number");
    harness.stop(worker).await;
}
