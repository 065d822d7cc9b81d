//! Events in which applicants have to confirm. The queue's clock is moved by hand: it decides how long each applicant has.

use domain::{AppKey, CalledWindow, EventSettings, Kind, Outcome};
use ledger::{Change, OrderRow};
use queue::{CalledReply, CalledRequest, ShopReport};
use testkit::until_some;

use crate::applicants::{key, settings, spring};
use crate::harness::{WorkerHarness, until_rounds};

const EXTENSION: i64 = 300_000;

fn confirm_settings(capacity: u32) -> EventSettings {
    let settings = settings(capacity, service::clock::system_now() - 1000);
    EventSettings { kind: Kind::Confirm, extension_ms: EXTENSION, ..settings }
}

impl WorkerHarness {
    async fn open_confirm(capacity: u32) -> Self {
        Self::open_with(confirm_settings(capacity)).await
    }

    /// Waits until the queue shows that the applicant is called.
    async fn until_called(&self, n: u32) -> CalledWindow {
        until_some(&format!("{n} called"), async || self.place(n).await?.called).await
    }

    async fn request(&self, n: u32, request: CalledRequest) -> CalledReply {
        let number = self.place(n).await.unwrap().number;
        self.queue().request_called(&spring(), key(n), number, request).await.unwrap().unwrap()
    }

    async fn confirm(&self, n: u32) {
        assert!(self.request(n, CalledRequest::Confirm).await.accepted, "{n} confirms in time");
    }
}

/// The bug of an operator's waiting room: after a no-show it gave the place to the next but one, or to two at once.
#[tokio::test]
async fn a_refill_after_a_no_show_never_skips_or_doubles() {
    let mut harness = WorkerHarness::open_confirm(3).await;
    let worker = harness.start().await;
    harness.apply(1..=9).await;
    for (confirms, called) in [(2, 1..=3), (4, 4..=5), (5, 6..=6)] {
        let mut until = 0;
        for n in called.clone() {
            until = until.max(harness.until_called(n).await.until);
        }
        until_rounds(&harness, 1).await;
        assert_eq!(harness.state(called.end() + 1).await, None, "no seat is free for the next number");
        if called.contains(&confirms) {
            harness.confirm(confirms).await;
            harness.until_outcome_in_queue([confirms], Outcome::Ordered).await;
        }
        harness.advance_queue_to(until);
        let lapsed = called.filter(|n| *n != confirms);
        harness.until_outcome_in_queue(lapsed, Outcome::Expired).await;
    }
    harness.until_called(7).await;
    harness.confirm(7).await;
    harness.until_outcome_in_queue([7], Outcome::Ordered).await;
    until_rounds(&harness, 1).await;
    assert_eq!((harness.seats().await, harness.state(8).await), ((0, 0, 3), None));
    assert_eq!(harness.calls(), ["PUT 2", "PUT 4", "PUT 7"]);
    harness.stop_and_verify(worker).await;
}

#[tokio::test]
async fn a_confirmation_in_the_last_millisecond_wins_although_it_is_handled_late() {
    let mut harness = WorkerHarness::open_confirm(2).await;
    let worker = harness.start().await;
    harness.apply(1..=3).await;
    let until = harness.until_called(1).await.until.min(harness.until_called(2).await.until);
    harness.stop(worker).await;
    harness.advance_queue_to(until - 500);
    harness.confirm(1).await;
    harness.advance_queue_to(until + 3_600_000);
    assert!(!harness.request(2, CalledRequest::Confirm).await.accepted);
    let worker = harness.start().await;
    harness.until_outcome_in_queue([1], Outcome::Ordered).await;
    harness.until_outcome_in_queue([2], Outcome::Expired).await;
    harness.until_called(3).await;
    harness.stop_and_verify(worker).await;
}

#[tokio::test]
async fn a_double_confirmation_is_one_order() {
    let mut harness = WorkerHarness::open_confirm(1).await;
    let worker = harness.start().await;
    harness.apply(1..=2).await;
    harness.until_called(1).await;
    harness.confirm(1).await;
    harness.confirm(1).await;
    harness.until_outcome_in_queue([1], Outcome::Ordered).await;
    assert_eq!(harness.calls(), ["PUT 1"]);
    harness.stop_and_verify(worker).await;
}

#[tokio::test]
async fn the_time_is_extended_once_and_then_ends() {
    let mut harness = WorkerHarness::open_confirm(1).await;
    let worker = harness.start().await;
    harness.apply(1..=2).await;
    let until = harness.until_called(1).await.until;
    assert!(harness.request(1, CalledRequest::Extend).await.accepted);
    let extended = CalledWindow { until: until + EXTENSION, extended: true, confirmed: false };
    let shown = async || (harness.place(1).await?.called == Some(extended)).then_some(());
    until_some("the extension", shown).await;
    harness.advance_queue_to(until + 1_000);
    assert!(harness.request(1, CalledRequest::Extend).await.accepted, "a repeated request");
    until_rounds(&harness, 1).await;
    assert_eq!(harness.place(1).await.unwrap().called, Some(extended));
    harness.advance_queue_to(until + EXTENSION);
    harness.until_outcome_in_queue([1], Outcome::Expired).await;
    harness.until_called(2).await;
    harness.stop_and_verify(worker).await;
}

#[tokio::test]
async fn a_called_applicant_who_cancels_makes_room_at_once() {
    let mut harness = WorkerHarness::open_confirm(1).await;
    let worker = harness.start().await;
    harness.apply(1..=2).await;
    harness.until_called(1).await;
    harness.cancel(1).await;
    harness.until_outcome_in_queue([1], Outcome::Cancelled).await;
    harness.until_called(2).await;
    assert!(harness.calls().is_empty(), "there was no order to delete");
    harness.stop_and_verify(worker).await;
}

#[tokio::test]
async fn a_leader_that_ends_between_expiry_and_refill_leaves_the_refill_to_the_next() {
    let mut harness = WorkerHarness::open_confirm(2).await;
    let worker = harness.start().await;
    harness.apply(1..=5).await;
    let until = harness.until_called(2).await.until;
    harness.stop(worker).await;
    let leadership = harness.ledger.acquire_leadership(&spring()).await.unwrap().unwrap();
    let queue = ledger::QueueReading { now: until, changes: 0 };
    let expired = harness.ledger.expire_called(&spring(), leadership.fence, until, queue).await.unwrap();
    assert_eq!(expired.len(), 2);
    harness.ledger.step_down(&spring(), leadership.fence).await.unwrap();
    harness.advance_queue_to(until);
    let worker = harness.start().await;
    harness.until_called(3).await;
    harness.until_called(4).await;
    until_rounds(&harness, 1).await;
    assert_eq!((harness.seats().await, harness.state(5).await), ((0, 2, 0), None));
    harness.stop_and_verify(worker).await;
}

#[tokio::test]
async fn while_paused_the_time_goes_on_and_no_applicant_is_called() {
    let mut harness = WorkerHarness::open_confirm(2).await;
    let worker = harness.start().await;
    harness.apply(1..=4).await;
    let until = harness.until_called(1).await.until.max(harness.until_called(2).await.until);
    harness.change(Change::Pause).await;
    harness.until_settings_projected().await;
    harness.confirm(1).await;
    harness.advance_queue_to(until);
    harness.until_outcome_in_queue([2], Outcome::Expired).await;
    until_rounds(&harness, 1).await;
    assert_eq!((harness.state(1).await, harness.state(3).await), (Some("ordering"), None));
    assert!(harness.calls().is_empty());
    harness.change(Change::Resume).await;
    harness.until_outcome_in_queue([1], Outcome::Ordered).await;
    harness.until_called(3).await;
    harness.stop_and_verify(worker).await;
}

#[tokio::test]
async fn an_outage_of_the_queue_costs_no_applicant_the_time_to_confirm() {
    let mut harness = WorkerHarness::open_confirm(1).await;
    let worker = harness.start().await;
    harness.apply(1..=2).await;
    let until = harness.until_called(1).await.until;
    harness.stop(worker).await;
    harness.close_queue().await;
    harness.advance_queue_to(until + 3_600_000);
    harness.open_queue().await;
    let worker = harness.start().await;
    let renewed = async || harness.place(1).await?.called.filter(|window| window.until > until + 3_600_000);
    until_some("the time starts again", renewed).await;
    harness.confirm(1).await;
    harness.until_outcome_in_queue([1], Outcome::Ordered).await;
    harness.stop_and_verify(worker).await;
}

impl WorkerHarness {
    async fn report(&self, n: u32, report: ShopReport) {
        let number = self.place(n).await.unwrap().number;
        self.queue().report(&spring(), key(n), number, report).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_pass_ends_with_the_report_of_the_shop_or_after_its_grace_period() {
    let mut harness = WorkerHarness::open_with(EventSettings {
        kind: Kind::Pass,
        pass_target: "https://shop.example.com/order".into(),
        ..confirm_settings(3)
    })
    .await;
    let grace = harness.config.report_grace_ms;
    let worker = harness.start().await;
    harness.apply(1..=5).await;
    let mut until = 0;
    for n in 1..=3 {
        until = until.max(harness.until_called(n).await.until);
    }
    harness.report(1, ShopReport::Released).await;
    harness.until_outcome_in_queue([1], Outcome::Rejected).await;
    harness.until_called(4).await;
    harness.advance_queue_to(until + grace / 2);
    harness.report(2, ShopReport::Ordered { order_no: "A-2".into() }).await;
    harness.until_outcome_in_queue([2], Outcome::Ordered).await;
    assert_eq!(harness.place(2).await.unwrap().outcome.unwrap().order_no.as_deref(), Some("A-2"));
    until_rounds(&harness, 1).await;
    assert_eq!(harness.state(3).await, Some("called"), "the shop may still report");
    harness.advance_queue_to(until + grace);
    harness.until_outcome_in_queue([3], Outcome::Expired).await;
    harness.until_called(5).await;
    harness.report(3, ShopReport::Ordered { order_no: "A-3".into() }).await;
    until_rounds(&harness, 1).await;
    assert_eq!((harness.state(3).await, harness.seats().await.2), (Some("expired"), 1));
    assert!(harness.calls().is_empty(), "the orders are the shop's");
    harness.stop(worker).await;
    let order = |app_key: AppKey| OrderRow {
        app_key: app_key.guid().parse().unwrap(),
        order_no: "A-2".into(),
        live: true,
    };
    let report = harness.verified_with(vec![order(key(2))]).await;
    assert_eq!(report.violations(), 0, "{:#?}", report.checks);
    let report = harness.verified_with(vec![order(key(2)), order(key(3))]).await;
    assert!(report.violations() > 0, "number 3 has no seat");
}
