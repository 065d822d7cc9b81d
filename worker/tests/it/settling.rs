//! Settling an event whose line has a gap that is longer than one look at its head.

use domain::{AppKey, EventSettings, EventState, Outcome, Release, ReqHash};
use orders::Change;
use queue::Applicant;
use service::Context;

use crate::house::{House, until, until_rounds};
use crate::people::{settings, spring};

/// Numbers that the line may give at once, and so skips when it is restarted.
const AHEAD: u32 = 20_000;

/// A paused event, open for a second, whose line has skipped its first numbers.
async fn behind_a_gap(capacity: u32) -> (House, Context) {
    let opened = settings(capacity, service::clock::system()() - 1000);
    let mut house = House::open_with(EventSettings { release: Release::Paused, ..opened }).await;
    house.config.numbers_ahead_min = AHEAD;
    let worker = house.start().await;
    let limit =
        async || house.line().view(&spring()).await.ok().filter(|view| view.line_limit >= AHEAD).map(|_| ());
    until("the limit", limit).await;
    house.stop(worker).await;
    house.close_line().await;
    house.open_line().await;
    let worker = house.start().await;
    until("the gap", async || {
        let view = house.line().view(&spring()).await.ok()?;
        (view.seq >= AHEAD && view.line_limit > view.seq + AHEAD / 2).then_some(())
    })
    .await;
    (house, worker)
}

fn key(n: u32) -> AppKey {
    AppKey(u128::from(n).to_be_bytes())
}

/// Applies for so many people, many at once.
async fn apply(house: &House, people: u32) {
    let all: Vec<_> = (1..=people).collect();
    for some in all.chunks(1000) {
        let mut applying = tokio::task::JoinSet::new();
        for n in some {
            let applicant = Applicant { app_key: key(*n), req_hash: ReqHash::NONE, contact: Vec::new() };
            let line = house.line().clone();
            applying.spawn(async move { line.apply(&spring(), applicant).await.unwrap() });
        }
        applying.join_all().await;
    }
}

#[tokio::test]
async fn a_paused_event_with_free_seats_is_not_settled_while_people_wait_behind_a_gap() {
    const PEOPLE: u32 = 10_201;
    let (house, worker) = behind_a_gap(40).await;
    apply(&house, PEOPLE).await;
    assert_eq!(house.line().view(&spring()).await.unwrap().seq, AHEAD + PEOPLE);
    house.change(Change::Close).await;
    house.until_state(EventState::Settling).await;
    until_rounds(&house, 3).await;
    assert_eq!((house.event_state().await, house.seats().await), (EventState::Settling, (40, 0, 0)));
    house.change(Change::Resume).await;
    house.until_state(EventState::Settled).await;
    let rows = house.book.rows(&spring(), 0, 100).await.unwrap();
    let ordered = rows.iter().filter(|row| row.outcome == Some(Outcome::Ordered));
    let numbers: Vec<_> = ordered.map(|row| row.number.get()).collect();
    assert_eq!(numbers, (AHEAD + 1..=AHEAD + 40).collect::<Vec<_>>());
    let told = async || {
        let entries = house.line().entries(&spring(), AHEAD + 40, PEOPLE).await.ok()?;
        let sold_out = |entry: &queue::Entry| {
            entry.shown.as_ref().is_some_and(|shown| shown.outcome == Outcome::SoldOut)
        };
        (entries.iter().filter(|entry| sold_out(entry)).count() == PEOPLE as usize - 40).then_some(())
    };
    until("sold out for all others", told).await;
    house.stop_and_verify(worker).await;
}

#[tokio::test]
async fn a_gap_that_nobody_waits_behind_keeps_no_paused_event_from_being_settled() {
    let (house, worker) = behind_a_gap(2).await;
    house.change(Change::Close).await;
    house.until_state(EventState::Settled).await;
    assert_eq!(house.seats().await, (2, 0, 0));
    house.stop_and_verify(worker).await;
}
