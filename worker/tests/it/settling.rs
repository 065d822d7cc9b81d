//! Settling an event whose line has a gap that is longer than one look at its head.

use domain::{AppKey, EventSettings, EventState, Outcome, Release, ReqHash};
use ledger::Change;
use queue::Applicant;
use service::Context;
use testkit::until_some;

use crate::applicants::{settings, spring};
use crate::harness::{WorkerHarness, until_rounds};

/// The numbers that the queue may give at once, and so skips when it is restarted.
const AHEAD: u32 = 20_000;

/// A paused event, open for a second, whose queue has skipped its first numbers.
async fn behind_a_gap(capacity: u32) -> (WorkerHarness, Context) {
    let opened = settings(capacity, service::clock::system_now() - 1000);
    let mut harness = WorkerHarness::open_with(EventSettings { release: Release::Paused, ..opened }).await;
    harness.config.numbers_ahead_min = AHEAD;
    let worker = harness.start().await;
    let limit = async || {
        harness.queue().snapshot(&spring()).await.ok().filter(|view| view.number_limit >= AHEAD).map(|_| ())
    };
    until_some("the limit", limit).await;
    harness.stop(worker).await;
    harness.close_queue().await;
    harness.open_queue().await;
    let worker = harness.start().await;
    until_some("the gap", async || {
        let view = harness.queue().snapshot(&spring()).await.ok()?;
        (view.seq >= AHEAD && view.number_limit > view.seq + AHEAD / 2).then_some(())
    })
    .await;
    (harness, worker)
}

fn key(n: u32) -> AppKey {
    AppKey(u128::from(n).to_be_bytes())
}

/// Makes this many applications, many at once.
async fn apply(harness: &WorkerHarness, applications: u32) {
    let all: Vec<_> = (1..=applications).collect();
    for some in all.chunks(1000) {
        let mut applying = tokio::task::JoinSet::new();
        for n in some {
            let applicant = Applicant { app_key: key(*n), req_hash: ReqHash::NONE, contact: Vec::new() };
            let queue = harness.queue().clone();
            applying.spawn(async move { queue.apply(&spring(), applicant).await.unwrap() });
        }
        applying.join_all().await;
    }
}

#[tokio::test]
async fn a_paused_event_is_not_settled_while_applications_wait_behind_a_gap() {
    const APPLICATIONS: u32 = 10_201;
    let (harness, worker) = behind_a_gap(40).await;
    apply(&harness, APPLICATIONS).await;
    assert_eq!(harness.queue().snapshot(&spring()).await.unwrap().seq, AHEAD + APPLICATIONS);
    harness.change(Change::Close).await;
    harness.until_state(EventState::Settling).await;
    until_rounds(&harness, 3).await;
    assert_eq!((harness.event_state().await, harness.seats().await), (EventState::Settling, (40, 0, 0)));
    harness.change(Change::Resume).await;
    harness.until_state(EventState::Settled).await;
    let rows = harness.ledger.applications(&spring(), 0, 100).await.unwrap();
    let ordered = rows.iter().filter(|row| row.outcome == Some(Outcome::Ordered));
    let numbers: Vec<_> = ordered.map(|row| row.number.get()).collect();
    assert_eq!(numbers, (AHEAD + 1..=AHEAD + 40).collect::<Vec<_>>());
    let all_shown = async || {
        let entries = harness.queue().entries(&spring(), AHEAD + 40, APPLICATIONS).await.ok()?;
        let sold_out = |entry: &queue::QueueEntry| {
            entry.outcome.as_ref().is_some_and(|shown| shown.outcome == Outcome::SoldOut)
        };
        (entries.iter().filter(|entry| sold_out(entry)).count() == APPLICATIONS as usize - 40).then_some(())
    };
    until_some("sold out for all others", all_shown).await;
    harness.stop_and_verify(worker).await;
}

#[tokio::test]
async fn a_gap_without_applications_behind_it_does_not_prevent_settling() {
    let (harness, worker) = behind_a_gap(2).await;
    harness.change(Change::Close).await;
    harness.until_state(EventState::Settled).await;
    assert_eq!(harness.seats().await, (2, 0, 0));
    harness.stop_and_verify(worker).await;
}
