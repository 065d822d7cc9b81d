//! What an operator changes takes effect while the workers run, in the line and in the book, and no promise breaks over it.

use domain::event::Text;
use domain::{AppKey, EventId, EventSettings, EventState, Outcome};
use orders::{Change, ChangeError, EndParked, EventPatch};
use queue::{Line, Refused};
use testkit::order_stub::Play;

use crate::house::{House, person, until, until_rounds};
use crate::people::{applicant, key, settings, spring};
use crate::stores::write;

/// An event that opened a second ago.
fn open(capacity: u32) -> EventSettings {
    settings(capacity, service::clock::system()() - 1000)
}

async fn refusal(line: &Line, n: u32) -> Refused {
    line.apply(&spring(), applicant(n)).await.unwrap_err()
}

#[tokio::test]
async fn a_pause_stops_the_next_call_and_resuming_goes_on() {
    let mut house = House::open_with(EventSettings { pace: "50".parse().unwrap(), ..open(60) }).await;
    let worker = house.start().await;
    house.apply(1..=60).await;
    until("ten orders", async || (house.stub.calls() >= 10).then_some(())).await;
    house.change(Change::Pause).await;
    // Not one call is leased from here on; those that were before are made.
    let under_way = async || house.book.is_due(&spring(), i64::MAX).await.unwrap();
    assert!(under_way().await, "some are left to be stopped");
    let leased = async || {
        let rows = house.book.rows(&spring(), 0, 100).await.unwrap();
        rows.iter().map(|row| row.attempts).sum::<u32>()
    };
    let paused_at = leased().await;
    until_rounds(&house, 3).await;
    assert_eq!(leased().await, paused_at);
    house.change(Change::Resume).await;
    house.until_shown(1..=60, Outcome::Ordered).await;
    house.stop_and_verify(worker).await;
}

#[tokio::test]
async fn a_new_pace_is_kept_from_the_next_call_on() {
    let slow = || Change::Pace("0.001".parse().unwrap());
    let mut house = House::open_with(EventSettings { pace: "0.001".parse().unwrap(), ..open(20) }).await;
    let worker = house.start().await;
    house.apply(1..=10).await;
    until("ten seats", async || (house.seats().await == (10, 10, 0)).then_some(())).await;
    until_rounds(&house, 2).await;
    assert_eq!(house.stub.calls(), 0);
    house.change(Change::Pace("1000".parse().unwrap())).await;
    house.until_shown(1..=10, Outcome::Ordered).await;
    house.change(slow()).await;
    // The one token that an idle bucket keeps may still be spent.
    house.apply(11..=15).await;
    until("five seats", async || (house.seats().await.0 == 5).then_some(())).await;
    until_rounds(&house, 3).await;
    assert!(house.stub.calls() <= 11, "{:?}", house.calls());
    house.change(Change::Pace("1000".parse().unwrap())).await;
    house.until_shown(11..=15, Outcome::Ordered).await;
    house.stop_and_verify(worker).await;
}

#[tokio::test]
async fn more_or_fewer_are_ordering_at_once_as_the_operator_says() {
    let mut house = House::open_with(EventSettings { in_flight_max: 1, ..open(9) }).await;
    house.stub.play(|_| Play::page(503));
    let worker = house.start().await;
    house.apply(1..=9).await;
    let held =
        async |held| until("so many at once", async || (house.seats().await.1 == held).then_some(())).await;
    held(1).await;
    until_rounds(&house, 2).await;
    held(1).await;
    house.change(Change::InFlightMax(4)).await;
    held(4).await;
    house.change(Change::InFlightMax(2)).await;
    house.stub.play(|asked| if person(asked) > 4 { Play::page(503) } else { Play::Honest });
    house.until_shown(1..=4, Outcome::Ordered).await;
    held(2).await;
    until_rounds(&house, 2).await;
    assert_eq!(house.seats().await, (3, 2, 4));
    house.stub.play(|_| Play::Honest);
    house.until_shown(5..=9, Outcome::Ordered).await;
    house.stop_and_verify(worker).await;
}

#[tokio::test]
async fn raised_seats_go_to_those_who_wait_and_lowered_ones_were_nobodys() {
    let mut house = House::open(2).await;
    let worker = house.start().await;
    house.apply(1..=5).await;
    house.until_shown(1..=2, Outcome::Ordered).await;
    until_rounds(&house, 1).await;
    assert_eq!(house.state(3).await, None);
    house.change(Change::Capacity(4)).await;
    house.until_shown(3..=4, Outcome::Ordered).await;
    house.until_told().await;
    let by = orders::By { actor: "kim", reason: "" };
    let refused = house.book.change(&spring(), None, &Change::Capacity(3), by).await;
    assert!(matches!(refused, Err(ChangeError::TooSmall { least: 4 })), "{refused:?}");
    house.cancel(1).await;
    house.until_shown([5], Outcome::Ordered).await;
    house.cancel(2).await;
    house.until_shown([2], Outcome::Cancelled).await;
    // Seat 2 is free now, in the middle.
    house.change(Change::Capacity(3)).await;
    house.change(Change::Capacity(5)).await;
    house.apply(6..=8).await;
    house.until_shown(6..=7, Outcome::Ordered).await;
    until_rounds(&house, 1).await;
    assert_eq!((house.seats().await, house.state(8).await), ((0, 0, 5), None));
    house.stop_and_verify(worker).await;
}

#[tokio::test]
async fn what_is_set_for_the_page_and_the_door_is_in_the_line_a_moment_later() {
    let mut house = House::open(2).await;
    let worker = house.start().await;
    house.apply([1]).await;
    let text = |ko: &str| Text { ko: ko.into(), en: "Slower for now".into() };
    let closes_at = service::clock::system()() + 7_200_000;
    let update = EventPatch {
        title: Some(text("봄 행사")),
        closes_at: Some(closes_at),
        applications_max: Some(3),
        diverts: Some(vec!["/products/spring".into()]),
        intake: Some(false),
        ..EventPatch::default()
    };
    house.change(Change::Update(update)).await;
    house.change(Change::Notice(text("느려졌어요"))).await;
    house.until_told().await;
    assert_eq!(refusal(house.line(), 2).await, Refused::OnHold);
    let again = house.line().apply(&spring(), applicant(1)).await.unwrap();
    assert_eq!(again.number.get(), 1, "who is in the line keeps the place");
    house.change(Change::Update(EventPatch { intake: Some(true), ..EventPatch::default() })).await;
    house.until_told().await;
    house.apply(2..=3).await;
    assert_eq!(refusal(house.line(), 4).await, Refused::Full);
    house.stop_and_verify(worker).await;
}

#[tokio::test]
async fn an_event_is_opened_closed_and_settled_by_hand() {
    let later = service::clock::system()() + 3_600_000;
    let house_of = EventSettings { settle_after_close: false, ..settings(2, later) };
    let mut house = House::open_with(house_of).await;
    let worker = house.start().await;
    until("the line", async || house.line().view(&spring()).await.ok()).await;
    assert_eq!(refusal(house.line(), 1).await, Refused::NotOpen { opens_at: later });
    house.change(Change::Open).await;
    house.until_told().await;
    house.apply(1..=3).await;
    house.until_shown(1..=2, Outcome::Ordered).await;
    house.until_state(EventState::Open).await;
    house.change(Change::Close).await;
    house.until_told().await;
    assert!(matches!(refusal(house.line(), 4).await, Refused::Closed { .. }));
    house.until_state(EventState::Closed).await;
    until_rounds(&house, 2).await;
    assert_eq!(house.event_state().await, EventState::Closed, "nobody said settle");
    house.change(Change::Settle).await;
    house.until_state(EventState::Settled).await;
    house.until_shown([3], Outcome::SoldOut).await;
    house.stop_and_verify(worker).await;
}

#[tokio::test]
async fn an_event_may_be_settled_before_the_leader_noticed_that_it_closed() {
    let mut house = House::open_with(EventSettings { settle_after_close: false, ..open(2) }).await;
    let worker = house.start().await;
    house.apply([1]).await;
    house.until_shown([1], Outcome::Ordered).await;
    house.change(Change::Close).await;
    house.change(Change::Settle).await;
    house.until_state(EventState::Settled).await;
    assert!(matches!(refusal(house.line(), 2).await, Refused::Closed { .. }));
    house.stop_and_verify(worker).await;
}

#[tokio::test]
async fn a_recovery_that_is_accepted_waits_no_longer() {
    let mut house = House::open(5).await;
    let worker = house.start().await;
    house.apply(1..=2).await;
    house.until_shown(1..=2, Outcome::Ordered).await;
    house.stop(worker).await;
    house.close_line().await;
    house.replace_line(None);
    house.open_line().await;
    let worker = house.start().await;
    house.apply([3]).await;
    until_rounds(&house, 2).await;
    assert_eq!(house.state(3).await, None, "somebody may still show a receipt");
    let by = orders::By { actor: "kim", reason: "" };
    let status = until("the status", async || {
        house.book.line_status(&spring()).await.unwrap().filter(|status| status.waiting == 1)
    })
    .await;
    assert!(status.missing >= 2 && status.armed, "{status:?}");
    let settle = house.book.change(&spring(), None, &Change::Settle, by).await;
    assert!(matches!(settle, Err(ChangeError::NotNow { .. })), "{settle:?}");
    house.change(Change::AcceptRecovery).await;
    house.until_shown([3], Outcome::Ordered).await;
    house.stop_and_verify(worker).await;
}

#[tokio::test]
async fn a_line_that_acted_on_its_times_before_they_were_moved_has_the_last_word() {
    let mut house = House::open(2).await;
    let worker = house.start().await;
    house.apply([1]).await;
    house.stop(worker).await;
    let opened_at = house.book.event(&spring()).await.unwrap().settings.opens_at;
    // As if the change had been made in time and the leader had been away since.
    let sql = "UPDATE event SET rev = rev + 1, settings = json_set(settings, '$.opens_at', 9, '$.closes_at', 99999999999999)";
    assert_eq!(write(&house.file("book.db"), sql).await, 1);
    let worker = house.start().await;
    let kept = until("the times of the line", async || {
        house.book.event(&spring()).await.ok().filter(|event| event.rev == 3)
    })
    .await;
    assert_eq!((kept.settings.opens_at, kept.settings.closes_at), (opened_at, 99_999_999_999_999));
    house.until_told().await;
    until_rounds(&house, 2).await;
    assert_eq!(house.book.event(&spring()).await.unwrap().rev, 3, "they agree for good");
    let row = house.book.audit(Some(&spring()), None, 1).await.unwrap().remove(0);
    assert_eq!((row.actor.as_str(), row.action.as_str()), ("worker", "keep_times"));
    house.stop_and_verify(worker).await;
}

#[tokio::test]
async fn an_event_made_while_workers_run_is_led_without_a_restart() {
    let mut house = House::open(1).await;
    let worker = house.start().await;
    house.apply([1]).await;
    let by = orders::By { actor: "kim", reason: "one more" };
    let (summer, now): (EventId, _) = ("summer".parse().unwrap(), service::clock::system()());
    house.book.clone_event(&spring(), summer.clone(), now - 1000, now + 3_600_000, by).await.unwrap();
    let applied = until("a number", async || house.line().apply(&summer, applicant(2)).await.ok()).await;
    assert_eq!(applied.number.get(), 1);
    until("the order", async || {
        let rows = house.book.rows(&summer, 0, 10).await.unwrap();
        rows.first().filter(|row| row.outcome == Some(Outcome::Ordered)).map(|_| ())
    })
    .await;
    house.until_shown([1], Outcome::Ordered).await;
    house.stop(worker).await;
}

#[tokio::test]
async fn the_room_sees_the_line_by_the_book() {
    let mut house = House::open(2).await;
    let worker = house.start().await;
    house.apply(1..=5).await;
    house.until_shown(1..=2, Outcome::Ordered).await;
    let status = until("three who wait", async || {
        let status = house.book.line_status(&spring()).await.unwrap();
        status.filter(|status| status.waiting == 3 && status.oldest_wait_ms.is_some())
    })
    .await;
    let view = house.line().view(&spring()).await.unwrap();
    let seen = (status.epoch, status.state, status.seq, status.moved_through, status.missing, status.armed);
    assert_eq!(seen, (view.epoch, EventState::Open, 5, 2, 0, true));
    let later = until("the next one", async || {
        house.book.line_status(&spring()).await.unwrap().filter(|next| next.at > status.at)
    })
    .await;
    assert!(later.at - status.at >= 900, "about once a second, not each round: {}", later.at - status.at);
    house.stop_and_verify(worker).await;
}

#[tokio::test]
async fn a_parked_one_is_ended_by_the_operator() {
    let mut house = House::open(2).await;
    house.stub.play(|asked| if person(asked) == 1 { Play::Silent { does: true } } else { Play::Honest });
    house.config.call_timeout = std::time::Duration::from_millis(100);
    let worker = house.start().await;
    house.apply(1..=3).await;
    until("a try for 1", async || house.row(1).await.filter(|row| row.attempts >= 1)).await;
    let sql = format!("UPDATE application SET attempts = 49 WHERE app_key = '{}'", key(1));
    assert_eq!(write(&house.file("book.db"), &sql).await, 1);
    until("the parking", async || house.state(1).await.filter(|state| *state == "parked")).await;
    house.until_shown([2], Outcome::Ordered).await;
    house.stub.play(|_| Play::Honest);
    let by = orders::By { actor: "kim", reason: "they called" };
    house.book.end_parked(&spring(), key(1), EndParked::Reject, by).await.unwrap().unwrap();
    // The order that nobody answered for is taken back first, then the seat goes on.
    house.until_shown([1], Outcome::Rejected).await;
    house.until_shown([3], Outcome::Ordered).await;
    assert!(house.calls().contains(&"DELETE 1".to_owned()), "{:?}", house.calls());
    house.stop_and_verify(worker).await;
}

#[tokio::test]
async fn a_big_event_is_made_whole_over_many_rounds_before_a_number_is_given() {
    const KNOWN: u32 = 10_200;
    let mut house = House::open(1).await;
    let sql = format!(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {KNOWN})
         INSERT INTO application (event, app_key, number, state, outcome, moved_at, ended_at)
         SELECT 'spring', printf('%032x', n), n, 'ended', 'cancelled', 1, 1 FROM n;
         UPDATE event SET line_limit = {KNOWN}"
    );
    write(&house.file("book.db"), &sql).await;
    let worker = house.start().await;
    assert_eq!(house.apply([1]).await, [KNOWN + 1]);
    let last = AppKey(u128::from(KNOWN).to_be_bytes());
    let place = house.line().place(&spring(), last).await.unwrap().unwrap();
    assert_eq!(place.number.get(), KNOWN, "whoever was last is known before the first new number");
    house.stop(worker).await;
}
