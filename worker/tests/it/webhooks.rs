//! Webhooks: real workers deliver to a real receiver over HTTP.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::{DomainEvent, Outcome};
use ledger::{
    ChangedBy, DeliveryFilter, DeliveryRange, DeliveryRow, EndpointChange, EndpointSettings, EndpointState,
};
use messaging::{AllowedNetworks, SecretKey, WebhookConfig, WebhookSecret};
use service::Context;
use testkit::{ReceivedWebhook, WebhookReceiver, WebhookReply, until_some};

use crate::applicants::spring;
use crate::harness::WorkerHarness;

pub(crate) const KIM: ChangedBy<'_> = ChangedBy { actor: "kim", reason: "a test" };

fn secret_key() -> SecretKey {
    "5".repeat(64).parse().unwrap()
}

pub(crate) fn secret(byte: u8) -> WebhookSecret {
    WebhookSecret::random(&(Arc::new(move |bytes: &mut [u8]| bytes.fill(byte)) as domain::Rng))
}

pub(crate) fn sealed(byte: u8, endpoint: &str) -> String {
    let rng: domain::Rng = Arc::new(|bytes| bytes.fill(9));
    secret_key().seal(&secret(byte), endpoint, &rng)
}

/// Settings that allow loopback, with a schedule in tenths of seconds.
fn webhook_config(retry_ms: &[i64]) -> WebhookConfig {
    WebhookConfig {
        allowed: AllowedNetworks(vec!["127.0.0.0/8".parse().unwrap()]),
        timeout: Duration::from_secs(2),
        retry_ms: retry_ms.to_vec(),
        ..WebhookConfig::new(secret_key())
    }
}

impl WorkerHarness {
    /// A worker that delivers to the endpoint `crm` by this schedule.
    pub(crate) async fn with_endpoint(url: &str, retry_ms: &[i64]) -> Self {
        let mut harness = Self::open(50).await;
        harness.config.messaging.webhook = Some(webhook_config(retry_ms));
        harness.create_endpoint("crm", url).await;
        harness
    }

    async fn create_endpoint(&self, id: &str, url: &str) {
        let settings = EndpointSettings { url: url.into(), types: Vec::new(), events: Vec::new() };
        self.ledger.create_endpoint(id, &settings, &sealed(1, id), KIM).await.unwrap().unwrap();
    }

    /// The IDs of all domain events.
    pub(crate) async fn ids(&self) -> BTreeSet<String> {
        self.ledger.domain_events(&spring()).await.unwrap().iter().map(DomainEvent::id).collect()
    }

    /// Waits until the receiver has accepted every domain event.
    async fn until_received(&self, receiver: &WebhookReceiver) {
        until_some("every domain event at the receiver", async || {
            (self.ids().await == accepted_ids(receiver)).then_some(())
        })
        .await;
    }

    async fn order(&mut self, applicants: std::ops::RangeInclusive<u32>) {
        self.apply(applicants.clone()).await;
        self.until_outcome_in_queue(applicants, Outcome::Ordered).await;
    }

    async fn in_state(&self, state: &str) -> Vec<DeliveryRow> {
        let filter = DeliveryFilter { state: Some(state), event: None };
        self.ledger.deliveries("crm", filter, 100).await.unwrap()
    }

    async fn until_dead(&self) -> DeliveryRow {
        until_some("a dead delivery", async || self.in_state("dead").await.pop()).await
    }

    async fn change_endpoint(&self, change: EndpointChange) {
        self.ledger.change_endpoint("crm", &change, KIM).await.unwrap().unwrap();
    }
}

fn accepted(receiver: &WebhookReceiver) -> Vec<ReceivedWebhook> {
    receiver.received().into_iter().filter(|one| one.accepted).collect()
}

fn accepted_ids(receiver: &WebhookReceiver) -> BTreeSet<String> {
    accepted(receiver).iter().map(|one| one.header("webhook-id").to_owned()).collect()
}

/// First copies arrive in the order of the versions, for each application.
fn assert_ordered(receiver: &WebhookReceiver) {
    let mut last = BTreeMap::<String, i64>::new();
    let mut seen = BTreeSet::new();
    for webhook in accepted(receiver) {
        let document = webhook.json();
        assert_eq!(document["id"], webhook.header("webhook-id"));
        if seen.insert(document["id"].to_string()) {
            let subject = document["subject"].to_string();
            let version = document["data"]["version"].as_i64().unwrap();
            assert!(last.insert(subject, version).is_none_or(|before| before < version), "{document}");
        }
    }
}

#[tokio::test]
async fn a_receiver_that_was_away_gets_everything_in_order() {
    let receiver = WebhookReceiver::start().await;
    let is_away = Arc::new(AtomicBool::new(true));
    let away = Arc::clone(&is_away);
    receiver.reply(move |_| WebhookReply::status(if away.load(Ordering::SeqCst) { 503 } else { 200 }));
    let mut harness = WorkerHarness::with_endpoint(&receiver.url(), &[100; 1000]).await;
    let worker = harness.start().await;
    harness.order(1..=6).await;
    harness.cancel(2).await;
    harness.until_outcome_in_queue([2], Outcome::Cancelled).await;
    until_some("attempts", async || (receiver.received().len() > 30).then_some(())).await;
    // In the middle of the attempts, another worker takes over.
    harness.stop(worker).await;
    let worker = harness.start().await;
    is_away.store(false, Ordering::SeqCst);
    harness.until_received(&receiver).await;
    assert_ordered(&receiver);
    harness.stop_and_verify(worker).await;
}

#[tokio::test]
async fn a_request_is_signed_with_the_new_and_the_former_secret() {
    let receiver = WebhookReceiver::start().await;
    let harness = WorkerHarness::with_endpoint(&receiver.url(), &[100]).await;
    harness.change_endpoint(EndpointChange::Rotate(sealed(2, "crm"))).await;
    let worker = harness.start().await;
    harness.until_received(&receiver).await;
    let first = receiver.received().remove(0);
    assert_eq!(first.header("webhook-id"), "spring-1");
    let timestamp: i64 = first.header("webhook-timestamp").parse().unwrap();
    let signed = messaging::sign(&[secret(2), secret(1)], "spring-1", timestamp, &first.body);
    assert_eq!(first.header("webhook-signature"), signed);
    let document = first.json();
    assert_eq!(
        (&document["type"], &document["data"]["capacity"]),
        (&"firstcome.event.created.v1".into(), &50.into())
    );
    harness.stop(worker).await;
}

#[tokio::test]
async fn a_dead_delivery_holds_up_only_its_own_application_and_is_replayed() {
    let receiver = WebhookReceiver::start().await;
    receiver.reply(|one| WebhookReply::status(if one.json()["data"]["number"] == 1 { 400 } else { 200 }));
    let mut harness = WorkerHarness::with_endpoint(&receiver.url(), &[0, 100, 100]).await;
    let worker = harness.start().await;
    harness.order(1..=3).await;
    let dead = harness.until_dead().await;
    assert_eq!(
        (dead.attempts, dead.last_status, dead.last_error.as_deref()),
        (3, Some(400), Some("status 400"))
    );
    until_some("the others", async || {
        let numbers = accepted(&receiver).iter().filter(|one| one.json()["data"]["number"].is_i64()).count();
        (numbers == 2).then_some(())
    })
    .await;
    receiver.reply(|_| WebhookReply::status(200));
    let range = DeliveryRange { event: spring(), from: dead.seq, to: dead.seq };
    assert_eq!(harness.ledger.replay_deliveries("crm", &range, KIM).await.unwrap(), Some(1));
    harness.until_received(&receiver).await;
    harness.stop(worker).await;
}

fn checks(worker: &Context) -> String {
    worker.health.readiness().report
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_disabled_until_it_is_resumed() {
    let receiver = WebhookReceiver::start().await;
    receiver.reply(|_| WebhookReply::status(410));
    let harness = WorkerHarness::with_endpoint(&receiver.url(), &[0, 100]).await;
    let worker = harness.start().await;
    until_some("the disabling", async || {
        let endpoint = harness.ledger.endpoint("crm").await.unwrap().unwrap();
        (endpoint.state == EndpointState::Disabled).then_some(())
    })
    .await;
    receiver.reply(|_| WebhookReply::status(200));
    harness.ledger.test_endpoint("crm").await.unwrap().unwrap();
    until_some("the test", async || accepted(&receiver).pop()).await;
    assert_eq!(accepted(&receiver).len(), 1, "a disabled endpoint gets nothing but tests");
    assert_eq!(accepted(&receiver)[0].json()["type"], "firstcome.webhook.test.v1");
    until_some("the warning", async || {
        checks(&worker).contains("[!]webhooks endpoint crm is disabled").then_some(())
    })
    .await;
    harness.change_endpoint(EndpointChange::Resume).await;
    until_some("the domain event", async || accepted_ids(&receiver).contains("spring-1").then_some(())).await;
    harness.stop(worker).await;
}

#[tokio::test]
async fn retry_after_is_obeyed() {
    let receiver = WebhookReceiver::start().await;
    receiver.reply(|_| WebhookReply {
        headers: vec![("retry-after", "3600".into())],
        ..WebhookReply::status(429)
    });
    let harness = WorkerHarness::with_endpoint(&receiver.url(), &[0; 50]).await;
    let worker = harness.start().await;
    let row = until_some("the first attempt", async || {
        harness.in_state("pending").await.into_iter().find(|row| row.last_status == Some(429))
    })
    .await;
    let wait_ms = row.next_try_at.unwrap() - harness.ledger.time().await.unwrap();
    assert!((3_000_000..=3_600_000).contains(&wait_ms), "{wait_ms}");
    assert_eq!(harness.ledger.endpoint("crm").await.unwrap().unwrap().in_flight_max, 4);
    harness.stop(worker).await;
}

#[tokio::test]
async fn a_slow_receiver_delays_neither_orders_nor_another_endpoint() {
    let (slow, fast) = (WebhookReceiver::start().await, WebhookReceiver::start().await);
    slow.reply(|_| WebhookReply { delay: Duration::from_mins(10), ..WebhookReply::status(200) });
    let mut harness = WorkerHarness::with_endpoint(&slow.url(), &[0, 100, 100]).await;
    harness.create_endpoint("fast", &fast.url()).await;
    let worker = harness.start().await;
    harness.order(1..=12).await;
    harness.until_received(&fast).await;
    assert_ordered(&fast);
    let dead = harness.until_dead().await;
    assert_eq!((dead.attempts, dead.last_error.as_deref()), (3, Some("no response within 2 s")));
    harness.stop_and_verify(worker).await;
}

#[tokio::test]
async fn an_address_that_is_not_public_gets_no_connection() {
    let receiver = WebhookReceiver::start().await;
    let mut harness = WorkerHarness::with_endpoint(&receiver.url(), &[0, 50]).await;
    harness.config.messaging.webhook.as_mut().unwrap().allowed = AllowedNetworks::default();
    let worker = harness.start().await;
    let dead = harness.until_dead().await;
    assert!(dead.last_error.unwrap().contains("no address of this host may be called"));
    assert_eq!((dead.attempts, receiver.connections()), (2, 0));
    harness.stop(worker).await;
}

#[tokio::test]
async fn an_endpoint_gets_the_domain_events_of_events_that_are_created_later() {
    let receiver = WebhookReceiver::start().await;
    let harness = WorkerHarness::with_endpoint(&receiver.url(), &[100; 50]).await;
    let worker = harness.start().await;
    harness.until_received(&receiver).await;
    let settings = harness.ledger.event(&spring()).await.unwrap().settings;
    let later = domain::EventSettings { id: "summer".parse().unwrap(), ..settings };
    harness.ledger.create_event(&later, "test").await.unwrap();
    until_some("its first domain event", async || accepted_ids(&receiver).contains("summer-1").then_some(()))
        .await;
    harness.stop(worker).await;
}
