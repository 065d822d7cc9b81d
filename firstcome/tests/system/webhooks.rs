//! A webhook endpoint beside an event over the production stores, while a worker is killed.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::{DomainEvent, Rng};
use ledger::{ChangedBy, EndpointSettings, Ledger};
use messaging::{SecretKey, WebhookSecret};
use testkit::{WebhookReceiver, WebhookReply, until_some};

use crate::crowd::Crowd;
use crate::harness::event;
use crate::processes::ProcessHandles;

const SEATS: u32 = 100;
const PEOPLE: u32 = 300;
const CANCELS: usize = 10;

/// Creates the endpoint `crm` as the operator API does, for every kind of domain event.
async fn create_endpoint(ledger: &Ledger, key: &str, url: String) {
    let rng: Rng = std::sync::Arc::new(|bytes| bytes.fill(7));
    let key: SecretKey = key.parse().unwrap();
    let sealed = key.seal(&WebhookSecret::random(&rng), "crm", &rng);
    let settings = EndpointSettings { url, types: Vec::new(), events: Vec::new() };
    let by = ChangedBy { actor: "kim", reason: "" };
    ledger.create_endpoint("crm", &settings, &sealed, by).await.unwrap().unwrap();
}

fn accepted(receiver: &WebhookReceiver) -> BTreeSet<String> {
    let all = receiver.received().into_iter().filter(|one| one.accepted);
    all.map(|one| one.header("webhook-id").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_gets_every_domain_event_of_an_event_although_a_worker_is_killed() {
    let mut processes = ProcessHandles::build(&event(SEATS, 0)).await;
    let key = "5".repeat(64);
    processes.configure(&format!(
        "messaging.webhook.key = \"{key}\"\nmessaging.webhook.allow = \"127.0.0.1\"\nmessaging.webhook.timeout = \"1s\"\n"
    ));
    let ledger = Ledger::open_postgres(&processes.postgres.url(), 2).await.unwrap();
    let receiver = WebhookReceiver::start().await;
    // Slow enough that some are under way at any moment.
    receiver.reply(|_| WebhookReply { delay: Duration::from_millis(50), ..WebhookReply::status(200) });
    create_endpoint(&ledger, &key, receiver.url()).await;
    processes.start().await;
    let crowd = Crowd::before_all(&processes.urls(), "spring");
    crowd.until("the event to be open", |progress| progress["state"] == "open").await;
    let acks = crowd.apply(0..PEOPLE).await;
    until_some("the middle", async || (accepted(&receiver).len() > SEATS as usize / 3).then_some(())).await;
    processes.restart_worker(0).await;
    let sold: Vec<u32> = (1..=SEATS).collect();
    crowd.until_ends(&acks, |ends| ends.get("ordered") == Some(&sold)).await;
    for ack in &acks[..CANCELS] {
        crowd.cancel(ack).await;
    }
    crowd.until_ends(&acks, |ends| ends.get("cancelled").is_some_and(|all| all.len() == CANCELS)).await;
    let ids = async || {
        let all = ledger.domain_events(&"spring".parse().unwrap()).await.unwrap();
        all.iter().map(DomainEvent::id).collect::<BTreeSet<_>>()
    };
    until_some("every domain event", async || (accepted(&receiver) == ids().await).then_some(())).await;
    processes.stop_and_verify(&acks).await;
    let all = ids().await;
    assert_eq!(accepted(&receiver), all);
    assert!(all.len() > SEATS as usize + 2 * CANCELS, "{}", all.len());
    println!("{} requests for {} domain events", receiver.received().len(), all.len());
    ledger.close().await;
}
