//! One leader at a time, whatever state the line came back in, and whatever the operator holds.

use domain::{EventState, Outcome, Release};
use orders::Change;
use queue::Arming;
use testkit::order_stub::Play;

use crate::house::{House, person, until, until_rounds};
use crate::log::Log;
use crate::people::{key, settings, spring};

async fn limit(house: &House) -> u32 {
    house.book.event(&spring()).await.unwrap().line_limit
}

#[tokio::test]
async fn a_wiped_line_gets_back_everybody_whom_the_book_knows() {
    let mut house = House::open(5).await;
    house.stub.play(|asked| if person(asked) == 2 { Play::no(409) } else { Play::Honest });
    let worker = house.start().await;
    house.apply(1..=8).await;
    house.until_shown([1, 3, 4, 5, 6], Outcome::Ordered).await;
    house.until_shown([2], Outcome::Rejected).await;
    house.stop(worker).await;
    house.close_line().await;
    house.replace_line(None);
    house.open_line().await;
    let skipped = limit(&house).await;

    let worker = house.start().await;
    house.until_shown([1, 3, 4, 5, 6], Outcome::Ordered).await;
    house.until_shown([2], Outcome::Rejected).await;
    for n in 1..=6 {
        assert_eq!(house.place(n).await.unwrap().number.get(), n);
    }
    let known = house.apply([6, 2]).await;
    let new = house.apply([9, 8]).await;
    assert_eq!((known, new), (vec![6, 2], vec![skipped + 1, skipped + 2]));
    assert_eq!(house.stub.calls(), 6, "{:?}", house.calls());
    house.stop(worker).await;
    // Only those who waited are lost, and said to be: 7, and 8, who had to begin again.
    let report = house.verified().await;
    let told: Vec<_> = report.checks.iter().flat_map(|check| check.told.iter().map(String::as_str)).collect();
    let lost = format!("number 7 ({}) was acknowledged and is nowhere", key(7));
    let again = format!("number 8 was acknowledged and is now number {}", skipped + 2);
    assert_eq!(told, [lost.as_str(), again.as_str()]);
}

#[tokio::test]
async fn an_older_copy_of_the_line_gets_back_whom_the_book_moved_since() {
    let mut house = House::open(5).await;
    let worker = house.start().await;
    house.apply(1..=3).await;
    house.until_shown(1..=3, Outcome::Ordered).await;
    house.stop(worker).await;
    let copy = house.copy_of_line().await;
    let worker = house.start().await;
    house.apply(4..=5).await;
    house.until_shown(4..=5, Outcome::Ordered).await;
    house.stop(worker).await;
    house.close_line().await;
    house.replace_line(Some(copy));
    house.open_line().await;
    let skipped = limit(&house).await;

    let worker = house.start().await;
    house.until_shown(1..=5, Outcome::Ordered).await;
    assert_eq!(house.apply([5, 4, 6]).await, [5, 4, skipped + 1]);
    house.stop_and_verify(worker).await;
    assert_eq!(house.stub.calls(), 5);
}

#[tokio::test]
async fn a_restore_that_was_cut_short_is_finished_by_the_next_leader() {
    let mut house = House::open(5).await;
    let worker = house.start().await;
    house.apply(1..=4).await;
    house.until_shown(1..=4, Outcome::Ordered).await;
    house.stop(worker).await;
    house.close_line().await;
    house.replace_line(None);
    house.open_line().await;
    // A leader that dies right after arming.
    let lead = house.book.lead(&spring()).await.unwrap().unwrap();
    let era = house.book.start_era(&spring(), lead.fence).await.unwrap();
    let (settings, rev) = (lead.event.settings, lead.event.rev);
    let arming = Arming { epoch: era.epoch, line_limit: era.line_limit, settings, rev };
    house.line().arm(&spring(), lead.fence.0, arming).await.unwrap();
    house.book.step_down(&spring(), lead.fence).await.unwrap();

    let worker = house.start().await;
    house.until_shown(1..=4, Outcome::Ordered).await;
    house.stop_and_verify(worker).await;
}

#[tokio::test]
async fn an_event_whose_line_contradicts_the_book_is_frozen_and_says_so() {
    let log = Log::keep();
    // The same event in another place, where other people have the same numbers.
    let mut other = House::open(1).await;
    let worker = other.start().await;
    other.apply(31..=34).await;
    other.until_shown([31], Outcome::Ordered).await;
    other.stop(worker).await;
    let foreign = other.copy_of_line().await;

    let mut house = House::open(5).await;
    house.stub.play(|asked| if person(asked) == 3 { Play::page(503) } else { Play::Honest });
    let worker = house.start().await;
    house.apply(1..=3).await;
    house.until_shown(1..=2, Outcome::Ordered).await;
    until("a try for 3", async || house.calls().contains(&"PUT 3".to_owned()).then_some(())).await;
    house.stop(worker).await;
    house.close_line().await;
    house.replace_line(Some(foreign));
    house.open_line().await;
    let skipped = limit(&house).await;

    let worker = house.start().await;
    let why = until("the freeze", async || house.book.event(&spring()).await.unwrap().frozen).await;
    assert!(why.contains("at number 2") && why.contains("put back"), "{why}");
    // Nobody is moved; numbers are still given, and the orders of those who were moved are made.
    house.stub.play(|_| Play::Honest);
    assert_eq!(house.apply(41..=42).await, [skipped + 1, skipped + 2]);
    until("the order of 3", async || house.state(3).await.filter(|state| *state == "ordered")).await;
    until_rounds(&house, 2).await;
    assert_eq!(
        (house.seats().await, house.book.rows(&spring(), 0, 100).await.unwrap().len()),
        ((2, 0, 3), 3)
    );
    assert_eq!(log.count("event spring is frozen, nobody is moved"), 1);
    let told = |report: String| report.contains("[!]leader event spring is frozen") && report.contains(&why);
    assert!(told(worker.health.readiness(false).report));
    house.stop(worker).await;
    // It is told by whoever leads next, too.
    let worker = house.start().await;
    until("the warning", async || told(worker.health.readiness(false).report).then_some(())).await;
    assert_eq!(log.count("event spring is frozen, nobody is moved"), 2);
    house.stop(worker).await;
}

#[tokio::test]
async fn a_frozen_event_is_not_settled() {
    let house = House::open_with(settings(1, service::clock::system()() - 25 * 3_600_000)).await;
    house.freeze("somebody looks").await;
    let worker = house.start().await;
    let state = async || house.book.event(&spring()).await.unwrap().state;
    until("the settling", async || (state().await == EventState::Settling).then_some(())).await;
    until_rounds(&house, 2).await;
    assert_eq!(state().await, EventState::Settling);
    house.change(Change::Unfreeze).await;
    until("the end", async || (state().await == EventState::Settled).then_some(())).await;
    until("all well", async || {
        let report = worker.health.readiness(false).report;
        report.contains("[+]leader ok").then_some(())
    })
    .await;
    house.stop_and_verify(worker).await;
}

#[tokio::test]
async fn the_release_valve_pauses_drains_and_runs() {
    let mut house = House::open_with(domain::EventSettings {
        in_flight_max: 4,
        ..settings(5, service::clock::system()() - 1000)
    })
    .await;
    house.stub.play(|_| Play::page(503));
    let worker = house.start().await;
    house.apply(1..=5).await;
    until("four tried", async || (house.stub.calls() >= 4).then_some(())).await;
    house.change(Change::Pause).await;
    let paused = async || house.line().view(&spring()).await.unwrap().settings.release == Release::Paused;
    until("the pause", async || paused().await.then_some(())).await;
    // Calls under way are finished.
    until_rounds(&house, 1).await;
    let tried = house.stub.calls();
    house.stub.play(|_| Play::Honest);
    until_rounds(&house, 3).await;
    assert_eq!((house.stub.calls(), house.seats().await), (tried, (1, 4, 0)));

    house.change(Change::Drain).await;
    house.until_shown(1..=4, Outcome::Ordered).await;
    until_rounds(&house, 2).await;
    assert_eq!((house.state(5).await, house.seats().await), (None, (1, 0, 4)));

    house.change(Change::Resume).await;
    house.until_shown([5], Outcome::Ordered).await;
    house.stop_and_verify(worker).await;
}

#[tokio::test]
async fn two_workers_make_each_order_once_and_hand_the_lead_over() {
    let log = Log::keep();
    let mut house = House::open_with(domain::EventSettings {
        pace: "100".parse().unwrap(),
        ..settings(35, service::clock::system()() - 1000)
    })
    .await;
    house.stub.play(|asked| if person(asked).is_multiple_of(7) { Play::no(409) } else { Play::Honest });
    let first = house.start().await;
    until("the first leader", async || house.line().view(&spring()).await.ok()).await;
    let second = house.start().await;
    house.apply(1..=40).await;
    until("ten orders", async || (house.stub.calls() >= 10).then_some(())).await;
    let fence = house.book.event(&spring()).await.unwrap().fence;
    house.stop(first).await;
    let next = until("the next leader", async || {
        house.book.event(&spring()).await.ok().map(|event| event.fence).filter(|now| *now > fence)
    })
    .await;
    assert_eq!((fence.0, next.0), (1, 2));
    house.until_shown((1..=40).filter(|n| n % 7 != 0), Outcome::Ordered).await;
    house.until_shown((1..=40).filter(|n| n % 7 == 0), Outcome::Rejected).await;
    house.stop_and_verify(second).await;
    let mut calls = house.calls();
    calls.sort_unstable();
    calls.dedup();
    assert_eq!((calls.len(), house.stub.calls()), (40, 40));
    assert_eq!((log.count("leading event spring"), log.count("another leads")), (2, 0), "{}", log.text());
}

#[tokio::test]
async fn whoever_stops_gives_the_lead_back_at_once() {
    let house = House::open(1).await;
    let worker = house.start().await;
    until("the leader", async || house.line().view(&spring()).await.ok()).await;
    assert_eq!(house.book.lead(&spring()).await.unwrap(), None);
    house.stop(worker).await;
    assert!(house.book.lead(&spring()).await.unwrap().is_some());
}
