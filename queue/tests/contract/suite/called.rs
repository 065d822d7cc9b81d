//! Called applicants: their time as the ledger projects it, and their requests.

use domain::{CalledWindow, EventState, Outcome};
use queue::{CalledReply, CalledRequest, InboxKind, ShopReport};

use crate::harness::{FENCE, QueueHarness, event, key, number, projected};

fn window(until: i64) -> CalledWindow {
    CalledWindow { until, extended: false, confirmed: false }
}

impl QueueHarness {
    /// Admits the first application, and projects that it is called for so long from now.
    async fn call_first(&mut self, for_ms: i64) -> CalledWindow {
        self.fill(1).await;
        self.admitted(1, &[1]).await;
        let window = window(self.snapshot().await.now + for_ms);
        self.project(|p| p.called = vec![(number(1), window)]).await;
        window
    }

    async fn request(&self, request: CalledRequest) -> CalledReply {
        self.queue().request_called(&event(), key(1), number(1), request).await.unwrap().unwrap()
    }

    async fn inbox_kinds(&self) -> Vec<InboxKind> {
        self.inbox().await.iter().map(|entry| entry.kind).collect()
    }
}

pub(crate) async fn a_called_applicant_confirms_once(harness: &mut QueueHarness) {
    let window = harness.call_first(1_000).await;
    assert_eq!((harness.entry(1).await.called, harness.entry(1).await.outcome), (Some(window), None));
    for _ in 0..2 {
        let reply = harness.request(CalledRequest::Confirm).await;
        assert_eq!((reply.accepted, reply.now), (true, harness.snapshot().await.now));
        assert_eq!(reply.entry, harness.entry(1).await);
    }
    assert!(harness.entry(1).await.called.unwrap().confirmed);
    assert!(!harness.request(CalledRequest::Extend).await.accepted, "it is confirmed");
    let inbox = harness.inbox().await;
    assert_eq!((inbox.len(), inbox[0].kind, inbox[0].number), (1, InboxKind::Confirm, number(1)));
    assert_eq!(inbox[0].at, harness.snapshot().await.now);
    let other = harness.queue().request_called(&event(), key(1), number(2), CalledRequest::Confirm).await;
    assert_eq!(other.unwrap(), None, "the key has another number");
}

pub(crate) async fn a_called_applicant_requests_more_time_once(harness: &mut QueueHarness) {
    let called = harness.call_first(1_000).await;
    assert!(harness.request(CalledRequest::Extend).await.accepted);
    assert!(harness.request(CalledRequest::Extend).await.accepted, "it is in the inbox");
    assert_eq!(harness.inbox_kinds().await, [InboxKind::Extend]);
    let last = harness.inbox().await[0].id;
    harness.queue().acknowledge(&event(), FENCE, last, 0).await.unwrap();
    let extended = CalledWindow { until: called.until + 1_000, extended: true, confirmed: false };
    harness.project(|p| p.called = vec![(number(1), extended)]).await;
    assert_eq!(harness.entry(1).await.called, Some(extended));
    assert!(harness.request(CalledRequest::Extend).await.accepted, "it was given");
    assert!(harness.inbox().await.is_empty());
    harness.set_clock(extended.until - 1);
    assert!(harness.request(CalledRequest::Confirm).await.accepted);
}

pub(crate) async fn a_request_after_the_called_time_is_refused(harness: &mut QueueHarness) {
    let called = harness.call_first(1_000).await;
    harness.set_clock(called.until);
    for request in [CalledRequest::Confirm, CalledRequest::Extend] {
        let reply = harness.request(request).await;
        assert_eq!((reply.accepted, reply.entry.called), (false, Some(called)));
    }
    assert!(harness.inbox().await.is_empty());
    harness.set_clock(called.until - 1);
    assert!(harness.request(CalledRequest::Confirm).await.accepted, "the last millisecond");
}

pub(crate) async fn who_is_not_called_or_has_cancelled_cannot_confirm(harness: &mut QueueHarness) {
    harness.fill(1).await;
    assert!(!harness.request(CalledRequest::Confirm).await.accepted, "it waits");
    harness.admitted(1, &[1]).await;
    assert!(!harness.request(CalledRequest::Confirm).await.accepted, "the ledger has not called it");
    let until = harness.snapshot().await.now + 1_000;
    harness.project(|p| p.called = vec![(number(1), window(until))]).await;
    harness.cancel(1).await.unwrap();
    assert!(!harness.request(CalledRequest::Confirm).await.accepted, "it is to be cancelled");
    assert_eq!(harness.inbox_kinds().await, [InboxKind::Cancel]);
}

pub(crate) async fn an_outcome_ends_the_called_time_for_good(harness: &mut QueueHarness) {
    let called = harness.call_first(1_000).await;
    harness.project(|p| p.outcomes = vec![(number(1), projected(Outcome::Expired))]).await;
    harness.project(|p| p.called = vec![(number(1), called)]).await;
    let entry = harness.entry(1).await;
    assert_eq!((entry.outcome, entry.called), (Some(projected(Outcome::Expired)), None));
    let reply = harness.request(CalledRequest::Confirm).await;
    assert_eq!((reply.accepted, reply.entry.outcome), (false, Some(projected(Outcome::Expired))));
}

pub(crate) async fn a_confirmation_stays_when_the_time_is_projected_again(harness: &mut QueueHarness) {
    let called = harness.call_first(1_000).await;
    harness.request(CalledRequest::Confirm).await;
    harness.project(|p| p.called = vec![(number(1), called)]).await;
    assert!(harness.entry(1).await.called.unwrap().confirmed);
    let confirmed = CalledWindow { confirmed: true, ..called };
    harness.project(|p| p.called = vec![(number(1), confirmed)]).await;
    assert_eq!(harness.queue().entries(&event(), 0, 9).await.unwrap()[0].called, Some(confirmed));
    assert_eq!(harness.inbox_kinds().await, [InboxKind::Confirm]);
}

pub(crate) async fn a_report_of_the_shop_is_written_with_its_order_number(harness: &mut QueueHarness) {
    harness.call_first(1_000).await;
    let report = async |person, report| {
        harness.queue().report(&event(), key(person), number(person), report).await.unwrap()
    };
    let ordered = ShopReport::Ordered { order_no: "A:1".into() };
    assert_eq!(report(1, ordered.clone()).await, Some(harness.entry(1).await));
    assert_eq!(report(1, ShopReport::Released).await, Some(harness.entry(1).await));
    assert_eq!(report(2, ordered).await, None, "there is no such application");
    let inbox = harness.inbox().await;
    let kinds: Vec<_> = inbox.iter().map(|entry| (entry.kind, entry.order_no.as_deref())).collect();
    assert_eq!(kinds, [(InboxKind::Ordered, Some("A:1")), (InboxKind::Released, None)]);
    harness.project(|p| (p.state, p.settled_seq) = (EventState::Settled, Some(1))).await;
    assert_eq!(report(1, ShopReport::Released).await, Some(harness.entry(1).await));
    assert_eq!(harness.inbox().await.len(), 2, "a settled event has its outcomes for good");
}
