//! Domain events on their way from the ledger's outbox to the targets.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::{DomainEvent, Outcome};
use ledger::{ChangedBy, TargetStatus};
use messaging::{ChannelBatch, PublishError, Target};
use testkit::order_stub::Behavior;
use testkit::until_some;
use tokio::sync::mpsc::Receiver;

use crate::applicants::spring;
use crate::harness::{WorkerHarness, applicant_of};
use crate::stores::write;

/// The next batch, which must come soon.
async fn next(receiver: &mut Receiver<ChannelBatch>) -> ChannelBatch {
    tokio::time::timeout(Duration::from_secs(20), receiver.recv())
        .await
        .expect("a batch")
        .expect("an open channel")
}

/// Accepts batches until the settling is among the domain events, and returns all of them.
async fn accept_until_settled(receiver: &mut Receiver<ChannelBatch>) -> Vec<DomainEvent> {
    let mut all: Vec<DomainEvent> = Vec::new();
    while !all.iter().any(|one| one.kind.as_str() == "event.settled") {
        let batch = next(receiver).await;
        let subjects: BTreeSet<_> = batch.events.iter().map(|one| one.domain_event.app_key).collect();
        assert_eq!(subjects.len(), batch.events.len(), "a batch has one domain event of an application");
        all.extend(batch.events.into_iter().map(|one| one.domain_event));
        batch.reply.send(Ok(())).unwrap();
    }
    all
}

impl WorkerHarness {
    async fn status(&self, target: &str) -> TargetStatus {
        let all = self.ledger.target_statuses(None).await.unwrap();
        all.into_iter().find(|status| status.target == target).unwrap()
    }

    async fn close_event(&self) {
        self.change(ledger::Change::Close).await;
    }
}

#[tokio::test]
async fn a_target_that_hangs_delays_neither_orders_nor_other_targets() {
    let mut harness = WorkerHarness::open(5).await;
    let (hanging, _hanging) = Target::channel("hanging");
    let (other, mut receiver) = Target::channel("other");
    harness.config.messaging.targets = vec![hanging, other];
    harness
        .stub
        .behave(|call| if applicant_of(call) == 2 { Behavior::reject(409) } else { Behavior::Normal });
    let worker = harness.start().await;
    harness.apply(1..=4).await;
    harness.until_outcome_in_queue([1, 3, 4], Outcome::Ordered).await;
    harness.cancel(4).await;
    harness.until_outcome_in_queue([4], Outcome::Cancelled).await;
    harness.close_event().await;
    let delivered = accept_until_settled(&mut receiver).await;
    assert_eq!(delivered, harness.ledger.domain_events(&spring()).await.unwrap(), "in order, each once");
    for domain_event in &delivered {
        assert_eq!(messaging::validate(domain_event.kind, &domain_event.data), Ok(()));
    }
    assert_eq!(harness.status("hanging").await.seq, 0);
    harness.stop_and_verify(worker).await;
}

#[tokio::test]
async fn a_batch_that_fails_is_sent_again_and_an_impossible_domain_event_is_put_aside() {
    let mut harness = WorkerHarness::open(2).await;
    let (target, mut receiver) = Target::channel("crm");
    harness.config.messaging.targets = vec![target];
    let worker = harness.start().await;
    let first = next(&mut receiver).await;
    let ids: Vec<String> = first.events.iter().map(|one| one.id.clone()).collect();
    first.reply.send(Err(PublishError::Transient("no response".into()))).unwrap();
    let again = next(&mut receiver).await;
    assert_eq!(again.events.iter().map(|one| one.id.clone()).collect::<Vec<_>>(), ids);
    assert_eq!(harness.status("crm").await.last_error.as_deref(), Some("no response"));
    let poison = PublishError::Poison { index: 0, error: "too large".into() };
    again.reply.send(Err(poison)).unwrap();
    harness.apply(1..=2).await;
    harness.until_outcome_in_queue([1, 2], Outcome::Ordered).await;
    harness.close_event().await;
    let delivered = accept_until_settled(&mut receiver).await;
    let all = harness.ledger.domain_events(&spring()).await.unwrap();
    assert_eq!(delivered, all[1..], "all but the one that was put aside");
    let status = until_some("the acknowledgement", async || {
        Some(harness.status("crm").await).filter(|status| status.seq == status.last_seq)
    });
    let status = status.await;
    assert_eq!((status.dead, status.failures), (1, 0));
    harness.stop(worker).await;
}

#[tokio::test]
async fn data_that_breaks_its_schema_reaches_no_target() {
    let mut harness = WorkerHarness::open(2).await;
    let (target, mut receiver) = Target::channel("crm");
    harness.config.messaging.targets = vec![target];
    write(&harness.file("ledger.db"), "UPDATE outbox SET data = '{\"event\": 7}'").await;
    let worker = harness.start().await;
    until_some("the dead letter", async || (harness.status_or_none("crm").await?.dead == 1).then_some(()))
        .await;
    harness.apply(1..=1).await;
    let batch = next(&mut receiver).await;
    assert!(batch.events.iter().all(|one| one.domain_event.seq > Some(1)));
    drop(batch);
    harness.stop(worker).await;
}

impl WorkerHarness {
    async fn status_or_none(&self, target: &str) -> Option<TargetStatus> {
        let all = self.ledger.target_statuses(None).await.ok()?;
        all.into_iter().find(|status| status.target == target)
    }
}

#[tokio::test]
async fn the_next_leader_continues_behind_what_was_acknowledged() {
    let mut harness = WorkerHarness::open(5).await;
    let (target, mut receiver) = Target::channel("crm");
    harness.config.messaging.targets = vec![target];
    let worker = harness.start().await;
    harness.apply(1..=2).await;
    harness.until_outcome_in_queue([1, 2], Outcome::Ordered).await;
    let first = next(&mut receiver).await;
    let acknowledged = first.events.last().unwrap().domain_event.seq.unwrap();
    first.reply.send(Ok(())).unwrap();
    until_some("the cursor", async || (harness.status("crm").await.seq == acknowledged).then_some(())).await;
    // The worker stops while a batch is under way.
    let unacknowledged = tokio::time::timeout(Duration::from_secs(5), receiver.recv()).await.ok().flatten();
    harness.stop(worker).await;
    drop(unacknowledged);

    let worker = harness.start().await;
    harness.close_event().await;
    let delivered = accept_until_settled(&mut receiver).await;
    assert_eq!(delivered[0].seq, Some(acknowledged + 1));
    harness.stop(worker).await;
}

#[tokio::test]
async fn a_replay_brings_the_same_domain_events_again() {
    let mut harness = WorkerHarness::open(5).await;
    let (target, mut receiver) = Target::channel("crm");
    harness.config.messaging.targets = vec![target];
    let worker = harness.start().await;
    harness.apply(1..=3).await;
    harness.until_outcome_in_queue([1, 2, 3], Outcome::Ordered).await;
    harness.close_event().await;
    let delivered = accept_until_settled(&mut receiver).await;
    let last = delivered.last().unwrap().seq.unwrap();
    until_some("the cursor", async || (harness.status("crm").await.seq == last).then_some(())).await;
    let by = ChangedBy { actor: "kim", reason: "the CRM was restored" };
    harness.ledger.replay("crm", &spring(), 2, by).await.unwrap().unwrap();
    let again = accept_until_settled(&mut receiver).await;
    assert_eq!(again, delivered[1..]);
    harness.stop(worker).await;
}
