//! Webhook endpoints, and the deliveries to them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use domain::{DomainEvent, EventState};
use ledger::{
    Attempt, DeliveryFilter, DeliveryRange, DeliveryResult, DeliveryRow, EndpointChange, EndpointPatch,
    EndpointRow, EndpointSettings, EndpointState, Ledger, WebhookDelivery,
};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::changing::KIM;
use crate::harness::{LedgerHarness, Store, key};

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;

fn to_all() -> EndpointSettings {
    EndpointSettings { url: "https://crm.example/".into(), types: Vec::new(), events: Vec::new() }
}

fn attempt(result: DeliveryResult) -> Attempt {
    let status = (result == DeliveryResult::Done).then_some(200);
    Attempt { result, status, took_ms: 5, error: status.is_none().then(|| "broken".into()) }
}

fn retry(in_ms: i64) -> DeliveryResult {
    DeliveryResult::Retry { in_ms, is_overloaded: false }
}

fn seqs(deliveries: &[WebhookDelivery]) -> Vec<i64> {
    deliveries.iter().map(|delivery| delivery.seq).collect()
}

impl LedgerHarness {
    /// A ledger with the endpoint `crm`, created after the first domain event was numbered.
    async fn with_endpoint(store: Store, settings: &EndpointSettings) -> Self {
        let harness = Self::open(store, 50).await;
        harness.ledger.number_domain_events(&harness.event, harness.fence, 500).await.unwrap();
        harness.ledger.create_endpoint("crm", settings, "sealed", KIM).await.unwrap().unwrap();
        harness
    }

    /// Numbers all domain events, and makes the deliveries to `crm`.
    async fn fan_out(&self) {
        self.ledger.number_domain_events(&self.event, self.fence, 500).await.unwrap();
        let cursor = self.ledger.outbox_cursor("webhook:crm", &self.event).await.unwrap().unwrap();
        let new = self.ledger.domain_events_after(&self.event, cursor.seq, 500).await.unwrap();
        self.ledger.fan_out("crm", &self.event, cursor.seq, &new).await.unwrap();
    }

    async fn lease(&self) -> Vec<WebhookDelivery> {
        let endpoint = self.endpoint().await;
        let has_due = self.ledger.has_due_delivery(&endpoint).await.unwrap();
        let leased = self.ledger.lease_deliveries("crm", MINUTE).await.unwrap();
        assert_eq!(has_due, !leased.is_empty(), "the check before the lease agrees with it");
        leased
    }

    async fn record_attempt(
        &self,
        delivery: &WebhookDelivery,
        result: DeliveryResult,
    ) -> Option<EndpointState> {
        self.ledger.record_attempt(delivery, &attempt(result)).await.unwrap()
    }

    async fn finish(&self, deliveries: &[WebhookDelivery]) {
        for delivery in deliveries {
            self.record_attempt(delivery, DeliveryResult::Done).await.unwrap();
        }
    }

    async fn endpoint(&self) -> EndpointRow {
        self.ledger.endpoint("crm").await.unwrap().unwrap()
    }

    async fn log(&self) -> Vec<DeliveryRow> {
        self.ledger.deliveries("crm", DeliveryFilter::default(), 1000).await.unwrap()
    }

    async fn change_endpoint(&self, change: EndpointChange) -> EndpointRow {
        self.ledger.change_endpoint("crm", &change, KIM).await.unwrap().unwrap()
    }

    /// The action and the fields of the last change.
    async fn last_change(&self) -> (&'static str, Value, Value) {
        let row = self.ledger.audit(None, None, 1).await.unwrap().remove(0);
        (row.action.as_str(), row.before, row.after)
    }
}

pub(crate) async fn an_endpoint_gets_the_domain_events_that_it_selects(store: Store) {
    let ordered = EndpointSettings {
        types: vec!["application.ordered".into()],
        events: vec!["spring".parse().unwrap()],
        ..to_all()
    };
    let harness = LedgerHarness::with_endpoint(store, &ordered).await;
    let autumn = EndpointSettings { events: vec!["autumn".parse().unwrap()], ..to_all() };
    harness.ledger.create_endpoint("autumn", &autumn, "sealed", KIM).await.unwrap().unwrap();
    assert_eq!(harness.ledger.create_endpoint("crm", &to_all(), "sealed", KIM).await.unwrap(), None);
    harness.order(1).await;
    harness.order(2).await;
    harness.cancel(2).await;
    harness.fan_out().await;
    let all: Vec<DomainEvent> = harness.ledger.domain_events_after(&harness.event, 0, 500).await.unwrap();
    harness.ledger.fan_out("autumn", &harness.event, 1, &all).await.unwrap();
    harness.ledger.fan_out("crm", &harness.event, 1, &all).await.unwrap();
    let leased = harness.lease().await;
    let kinds: Vec<&str> =
        leased.iter().map(|one| one.domain_event.as_ref().unwrap().kind.as_str()).collect();
    assert_eq!(
        kinds, ["application.ordered"; 2],
        "a fan-out from where the cursor is not any more does nothing"
    );
    let none = harness.ledger.deliveries("autumn", DeliveryFilter::default(), 9).await.unwrap();
    assert_eq!(none, []);
    assert_eq!(
        harness.ledger.outbox_cursor("webhook:autumn", &harness.event).await.unwrap().unwrap().seq,
        all.last().unwrap().seq.unwrap()
    );
}

pub(crate) async fn deliveries_of_an_application_are_due_one_after_the_other(store: Store) {
    let harness = LedgerHarness::with_endpoint(store, &to_all()).await;
    harness.order(1).await;
    harness.order(2).await;
    harness.cancel(1).await;
    let call = harness.lease_one().await;
    harness.record(&call, ledger::OrderResponse::Deleted).await;
    harness.fan_out().await;
    let all = harness.ledger.domain_events_after(&harness.event, 0, 500).await.unwrap();
    let first: Vec<i64> =
        all.iter().filter(|one| one.app_key == Some(key(1))).filter_map(|one| one.seq).collect();
    assert_eq!(first.len(), 3, "ordered, cancel requested, cancelled: {all:?}");
    let leased = harness.lease().await;
    assert_eq!(leased.len(), 2, "one of each application: {leased:?}");
    assert_eq!(harness.lease().await, []);
    for delivery in &leased {
        let result = if delivery.seq == first[0] { retry(MINUTE) } else { DeliveryResult::Done };
        assert_eq!(harness.record_attempt(delivery, result).await, Some(EndpointState::On));
    }
    assert_eq!(harness.lease().await, [], "the next attempt is due later, and the others wait for it");
    let waiting: Vec<bool> = harness
        .log()
        .await
        .iter()
        .filter(|row| row.state == "pending")
        .map(|row| row.next_try_at.is_none())
        .collect();
    assert_eq!(waiting, [true, true, false]);
    harness.clock.advance(MINUTE);
    let again = harness.lease().await;
    assert_eq!((seqs(&again), again[0].attempts), (vec![first[0]], 2));
    harness.record_attempt(&again[0], DeliveryResult::Dead).await;
    for expected in &first[1..] {
        let next = harness.lease().await;
        assert_eq!(seqs(&next), [*expected]);
        harness.finish(&next).await;
    }
    assert_eq!(
        (harness.lease().await, harness.ledger.count_pending_deliveries("crm").await.unwrap()),
        (vec![], 0)
    );
    let dead = DeliveryFilter { state: Some("dead"), event: Some("spring") };
    let dead = harness.ledger.deliveries("crm", dead, 9).await.unwrap().remove(0);
    assert_eq!((dead.seq, dead.attempts, dead.last_error.as_deref()), (first[0], 2, Some("broken")));
}

pub(crate) async fn an_expired_lease_is_leased_again_and_the_first_result_is_stale(store: Store) {
    let harness = LedgerHarness::with_endpoint(store, &to_all()).await;
    harness.order(1).await;
    harness.fan_out().await;
    let lost = harness.lease().await;
    harness.clock.advance(MINUTE);
    let again = harness.lease().await;
    assert_eq!(seqs(&again), seqs(&lost));
    assert_eq!(harness.record_attempt(&lost[0], DeliveryResult::Dead).await, None);
    harness.finish(&again).await;
    assert!(harness.log().await.iter().all(|row| row.state == "done" && row.attempts == 2));
}

pub(crate) async fn an_endpoint_that_is_gone_or_fails_for_five_days_is_disabled(store: Store) {
    let harness = LedgerHarness::with_endpoint(store, &to_all()).await;
    harness.order(1).await;
    harness.fan_out().await;
    let leased = harness.lease().await.remove(0);
    assert_eq!(harness.record_attempt(&leased, DeliveryResult::Gone).await, Some(EndpointState::Disabled));
    let (action, before, after) = harness.last_change().await;
    assert_eq!((action, before), ("disable_webhook", json!({ "endpoint": "crm", "state": "on" })));
    assert_eq!(after, json!({ "endpoint": "crm", "state": "disabled" }));
    harness.clock.advance(MINUTE);
    assert_eq!(harness.lease().await, []);
    assert_eq!(harness.change_endpoint(EndpointChange::Resume).await.failing_since, None);
    let again = harness.lease().await;
    assert_eq!((again.len(), again[0].seq), (1, leased.seq));
    assert_eq!(harness.record_attempt(&again[0], retry(MINUTE)).await, Some(EndpointState::On));
    harness.clock.advance(5 * DAY - 1);
    let again = harness.lease().await;
    assert_eq!(harness.record_attempt(&again[0], retry(0)).await, Some(EndpointState::On));
    harness.clock.advance(1);
    let again = harness.lease().await;
    assert_eq!(harness.record_attempt(&again[0], retry(0)).await, Some(EndpointState::Disabled));
    assert_eq!(harness.ledger.count_pending_deliveries("crm").await.unwrap(), 1, "it waits");
}

pub(crate) async fn an_overloaded_endpoint_gets_fewer_deliveries_at_once(store: Store) {
    let harness = LedgerHarness::with_endpoint(store, &to_all()).await;
    for number in 1..=20 {
        harness.order(number).await;
    }
    harness.fan_out().await;
    let leased = harness.lease().await;
    assert_eq!(leased.len(), 8);
    let overloaded = DeliveryResult::Retry { in_ms: DAY, is_overloaded: true };
    harness.record_attempt(&leased[0], overloaded).await;
    harness.record_attempt(&leased[1], overloaded).await;
    assert_eq!((harness.endpoint().await.in_flight_max, harness.lease().await.len()), (2, 0));
    harness.finish(&leased[2..7]).await;
    assert_eq!((harness.endpoint().await.in_flight_max, harness.lease().await.len()), (7, 6));
}

pub(crate) async fn a_paused_endpoint_gets_tests_only_and_continues_when_resumed(store: Store) {
    let harness = LedgerHarness::with_endpoint(store, &to_all()).await;
    harness.order(1).await;
    harness.fan_out().await;
    let leased = harness.lease().await;
    harness.record_attempt(&leased[0], retry(DAY)).await;
    harness.change_endpoint(EndpointChange::Pause).await;
    harness.change_endpoint(EndpointChange::Pause).await;
    assert_eq!(harness.last_change().await.0, "pause_webhook");
    assert_eq!(
        harness.ledger.audit(None, None, 9).await.unwrap().len(),
        3,
        "the second pause changed nothing"
    );
    let first = harness.ledger.test_endpoint("crm").await.unwrap().unwrap();
    let second = harness.ledger.test_endpoint("crm").await.unwrap().unwrap();
    assert!(second > first);
    assert_eq!(harness.ledger.test_endpoint("other").await.unwrap(), None);
    let tests = harness.lease().await;
    assert_eq!(
        (seqs(&tests), tests[0].domain_event.is_none(), tests[0].event.as_str()),
        (vec![first, second], true, "")
    );
    harness.record_attempt(&tests[0], DeliveryResult::Dead).await;
    harness.finish(&tests[1..]).await;
    assert_eq!(harness.endpoint().await.state, EndpointState::Paused);
    let listed = harness.log().await;
    assert_eq!(
        (listed[0].seq, listed[1].seq, listed[1].state.as_str()),
        (second, first, "dead"),
        "tests first"
    );
    harness.change_endpoint(EndpointChange::Resume).await;
    assert_eq!(
        seqs(&harness.lease().await),
        [leased[0].seq],
        "what waited for its next attempt is due at once"
    );
    harness.clock.advance(2 * DAY);
    harness.ledger.test_endpoint("crm").await.unwrap();
    let tests = DeliveryFilter { event: Some(""), state: None };
    assert_eq!(harness.ledger.deliveries("crm", tests, 9).await.unwrap().len(), 1, "old tests are deleted");
}

pub(crate) async fn deliveries_that_ended_are_made_again(store: Store) {
    let harness = LedgerHarness::with_endpoint(store, &to_all()).await;
    for number in 1..=3 {
        harness.order(number).await;
    }
    harness.fan_out().await;
    let leased = harness.lease().await;
    harness.finish(&leased).await;
    let (from, to) = (leased[1].seq, leased[2].seq);
    let range = DeliveryRange { event: harness.event.clone(), from, to };
    assert_eq!(harness.ledger.count_ended_deliveries("crm", &range).await.unwrap(), 2);
    assert_eq!(harness.ledger.replay_deliveries("crm", &range, KIM).await.unwrap(), Some(2));
    assert_eq!(harness.ledger.replay_deliveries("other", &range, KIM).await.unwrap(), None);
    let fields =
        json!({ "endpoint": "crm", "event": "spring", "from_seq": from, "to_seq": to, "deliveries": 2 });
    assert_eq!(harness.last_change().await, ("replay_webhook", json!({}), fields));
    let again = harness.lease().await;
    assert_eq!((seqs(&again), again[0].attempts), (vec![from, to], 1));
    harness.finish(&again).await;
    harness.ledger.replay("webhook:crm", &harness.event, 1, KIM).await.unwrap().unwrap();
    harness.fan_out().await;
    let all = harness.lease().await;
    assert!(all.len() > 3 && all.iter().all(|delivery| delivery.attempts == 1), "{all:?}");
}

pub(crate) async fn a_changed_endpoint_is_audited_and_a_deleted_one_leaves_nothing(store: Store) {
    let harness = LedgerHarness::with_endpoint(store, &to_all()).await;
    let (action, before, after) = harness.last_change().await;
    assert_eq!(
        (action, &before, &after["url"]),
        ("create_webhook", &Value::Null, &json!("https://crm.example/"))
    );
    assert!(!after.to_string().contains("sealed"), "the audit has no secret: {after}");
    let moved = EndpointPatch { url: Some("https://new.example/".into()), ..EndpointPatch::default() };
    assert_eq!(
        harness.change_endpoint(EndpointChange::Update(moved)).await.settings.url,
        "https://new.example/"
    );
    let expected = json!({ "endpoint": "crm", "url": "https://new.example/" });
    assert_eq!(harness.last_change().await.2, expected);
    let now = harness.ledger.time().await.unwrap();
    let rotated = harness.change_endpoint(EndpointChange::Rotate("newer".into())).await;
    assert_eq!(
        (rotated.secret.as_str(), rotated.secret_before),
        ("newer", Some(("sealed".into(), now + DAY)))
    );
    assert_eq!(harness.endpoint().await.secret, "newer");
    let (action, _, after) = harness.last_change().await;
    assert_eq!(
        (action, after),
        ("rotate_webhook", json!({ "endpoint": "crm", "former_secret_until": now + DAY }))
    );
    harness.order(1).await;
    harness.fan_out().await;
    let leased = harness.lease().await;
    harness.change_endpoint(EndpointChange::Delete).await;
    assert_eq!(harness.last_change().await.0, "delete_webhook");
    assert_eq!(harness.record_attempt(&leased[0], DeliveryResult::Done).await, None);
    harness.ledger.add_endpoint_cursor(&rotated_row(&leased[0]), &harness.event).await.unwrap();
    assert_eq!(harness.ledger.outbox_cursor("webhook:crm", &harness.event).await.unwrap(), None);
    assert_eq!((harness.log().await, harness.ledger.endpoints().await.unwrap()), (vec![], vec![]));
    assert_eq!(harness.ledger.change_endpoint("crm", &EndpointChange::Pause, KIM).await.unwrap(), None);
    assert_eq!(harness.ledger.check_audit(&[]).await.unwrap().broken, 0);
}

fn rotated_row(delivery: &WebhookDelivery) -> EndpointRow {
    EndpointRow {
        id: delivery.endpoint.clone(),
        settings: to_all(),
        state: EndpointState::On,
        secret: String::new(),
        secret_before: None,
        in_flight_max: 1,
        failing_since: None,
        created_at: 0,
    }
}

pub(crate) async fn deliveries_are_deleted_with_their_domain_events(store: Store) {
    let harness = LedgerHarness::with_endpoint(store, &to_all()).await;
    harness.order(1).await;
    harness.fan_out().await;
    let fence = harness.fence;
    for state in [EventState::Closed, EventState::Settling] {
        harness.ledger.advance(&harness.event, fence, state).await.unwrap();
    }
    harness.ledger.record_closed_seq(&harness.event, fence, 1).await.unwrap();
    harness.ledger.settle(&harness.event, fence, 0).await.unwrap();
    harness.fan_out().await;
    let purge = async || harness.ledger.purge_domain_events(&harness.event, 30 * DAY).await.unwrap();
    let kept = harness.log().await.len();
    assert_eq!((purge().await, harness.log().await.len()), (0, kept));
    harness.clock.advance(31 * DAY);
    assert_eq!(
        (purge().await, harness.log().await),
        (kept as u64 + 1, vec![]),
        "created was before the endpoint"
    );
}

/// Leases and records until everything is delivered, and notes the order.
async fn deliver_all(ledger: Ledger, delivered: &Mutex<Vec<DomainEvent>>, count: usize) {
    while delivered.lock().unwrap().len() < count {
        let leased = ledger.lease_deliveries("crm", MINUTE).await.unwrap();
        for delivery in leased {
            delivered.lock().unwrap().push(delivery.domain_event.clone().unwrap());
            ledger.record_attempt(&delivery, &attempt(DeliveryResult::Done)).await.unwrap().unwrap();
        }
        tokio::task::yield_now().await;
    }
}

pub(crate) async fn concurrent_workers_deliver_each_application_in_order(store: Store) {
    let harness = LedgerHarness::with_endpoint(store, &to_all()).await;
    harness.admit(1..=20).await;
    for _ in 1..=20 {
        let call = harness.lease_one().await;
        harness.record(&call, ledger::OrderResponse::Created("O".into())).await;
    }
    for number in 1..=20 {
        harness.cancel(number).await;
    }
    harness.ledger.number_domain_events(&harness.event, harness.fence, 500).await.unwrap();
    let all = harness.ledger.domain_events_after(&harness.event, 0, 500).await.unwrap();
    let cursor = harness.ledger.outbox_cursor("webhook:crm", &harness.event).await.unwrap().unwrap().seq;
    let new: Vec<DomainEvent> = all.into_iter().filter(|one| one.seq > Some(cursor)).collect();
    assert!(new.len() >= 40, "{}", new.len());
    let delivered = Arc::new(Mutex::new(Vec::new()));
    let mut workers = JoinSet::new();
    for _ in 0..3 {
        let (ledger, delivered, count) = (harness.ledger.clone(), Arc::clone(&delivered), new.len());
        workers.spawn(async move { deliver_all(ledger, &delivered, count).await });
    }
    let mut from = cursor;
    for batch in new.chunks(3) {
        harness.ledger.fan_out("crm", &harness.event, from, batch).await.unwrap();
        from = batch.last().unwrap().seq.unwrap();
    }
    let joined = tokio::time::timeout(std::time::Duration::from_mins(1), workers.join_all()).await;
    assert!(joined.is_ok(), "deliveries are stuck: {:?}", harness.log().await);
    let mut last = BTreeMap::new();
    for one in delivered.lock().unwrap().iter() {
        assert!(last.insert(one.app_key, one.seq).is_none_or(|before| before < one.seq), "{one:?}");
    }
}

/// What a worker does with webhooks, through its own session.
pub(crate) async fn deliver_to_an_endpoint_that_is_gone(harness: &LedgerHarness, worker: &Ledger) {
    let row = harness.ledger.create_endpoint("crm", &to_all(), "sealed", KIM).await.unwrap().unwrap();
    worker.add_endpoint_cursor(&row, &harness.event).await.unwrap();
    harness.ledger.replay("webhook:crm", &harness.event, 1, KIM).await.unwrap().unwrap();
    let all = worker.domain_events_after(&harness.event, 0, 9).await.unwrap();
    worker.fan_out("crm", &harness.event, 0, &all).await.unwrap();
    let leased = worker.lease_deliveries("crm", MINUTE).await.unwrap().remove(0);
    let gone = attempt(DeliveryResult::Gone);
    assert_eq!(worker.record_attempt(&leased, &gone).await.unwrap(), Some(EndpointState::Disabled));
}

/// What the operator API does with webhooks, through its own session.
pub(crate) async fn change_endpoints(operator: &Ledger) {
    operator.create_endpoint("crm", &to_all(), "sealed", KIM).await.unwrap().unwrap();
    operator.test_endpoint("crm").await.unwrap().unwrap();
    let range = DeliveryRange { event: "spring".parse().unwrap(), from: 1, to: 9 };
    assert_eq!(operator.replay_deliveries("crm", &range, KIM).await.unwrap(), Some(0));
    for change in [EndpointChange::Resume, EndpointChange::Delete] {
        operator.change_endpoint("crm", &change, KIM).await.unwrap().unwrap();
    }
}
