//! The delivery of domain events: one task for each event and target, from the beginning of a leader's term to its end. A target
//! that hangs or fails delays neither the leader nor another target.

use std::time::Duration;

use domain::{DomainEvent, EventId, Millis};
use ledger::OutboxCursor;
use messaging::{CloudEvent, PublishError, Target, validate};
use tokio::sync::watch;

use crate::backoff::backoff_ms;
use crate::context::WorkerContext;
use crate::error::Error;
use crate::numbered::{Numbered, TermSignal, until_end, wait};
use crate::webhook_fan_out;

/// Domain events that a target is given at once, at most.
const BATCH: u32 = 500;
/// How often the cursor is read for a replay while no domain event is new.
const IDLE: Duration = Duration::from_secs(2);
/// Pause after the ledger failed.
const RETRY: Duration = Duration::from_millis(500);
/// How long domain events are kept after the last one of a settled event.
const KEEP_MS: Millis = 30 * 86_400_000;
/// How often old domain events are looked for.
const PURGE_PERIOD: Duration = Duration::from_hours(1);

/// Starts the tasks of a leader's term.
pub(crate) fn start(worker: &WorkerContext, event: &EventId) -> Numbered {
    let (numbered, _) = watch::channel(0);
    let tasks = &worker.context.tasks;
    for target in worker.config.messaging.targets.clone() {
        let delivery =
            Delivery { worker: worker.clone(), event: event.clone(), target, term: numbered.subscribe() };
        tasks.spawn("outbox", delivery.run());
    }
    if worker.config.messaging.webhook.is_some() {
        tasks.spawn(
            "webhook fan-out",
            webhook_fan_out::fan_out(worker.clone(), event.clone(), numbered.subscribe()),
        );
    }
    tasks.spawn("outbox retention", purge(worker.clone(), event.clone(), numbered.subscribe()));
    numbered
}

/// The delivery of an event's domain events to a target.
struct Delivery {
    worker: WorkerContext,
    event: EventId,
    target: Target,
    term: TermSignal,
}

impl Delivery {
    async fn run(mut self) {
        let mut pause = Duration::ZERO;
        while wait(&self.worker, &mut self.term, pause).await {
            pause = self.deliver_batch().await.unwrap_or_else(|error| {
                tracing::warn!(event = %self.event, target_name = self.target.name(), %error, "failed to read or to acknowledge domain events; retrying");
                RETRY
            });
        }
    }

    /// Sends the next domain events, and returns the pause after it.
    async fn deliver_batch(&mut self) -> Result<Duration, Error> {
        let Self { worker, event, target, .. } = self;
        let Some(cursor) = worker.with_timeout(worker.ledger.outbox_cursor(target.name(), event)).await?
        else {
            return Ok(IDLE);
        };
        let remaining = self.remaining_backoff(cursor).await?;
        if !remaining.is_zero() {
            return Ok(remaining);
        }
        let Self { worker, event, .. } = self;
        let read = worker.ledger.domain_events_after(event, cursor.seq, BATCH);
        let batch = one_of_each_subject(worker.with_timeout(read).await?);
        if batch.is_empty() {
            return Ok(IDLE);
        }
        let last = batch.last().and_then(|last| last.seq).unwrap_or(cursor.seq);
        let sent = batch.len();
        match self.publish(batch).await {
            None => Ok(Duration::ZERO),
            Some(Ok(())) => self.acknowledge(cursor, last, sent).await,
            Some(Err((_, PublishError::Transient(error)))) => self.record_failure(cursor, &error).await,
            Some(Err((seq, PublishError::Poison { error, .. }))) => self.bury(cursor, seq, &error).await,
        }
    }

    /// The rest of the wait after a failure, which may have been recorded by another worker.
    async fn remaining_backoff(&self, cursor: OutboxCursor) -> Result<Duration, Error> {
        if cursor.failures == 0 {
            return Ok(Duration::ZERO);
        }
        let now = self.worker.with_timeout(self.worker.ledger.time()).await?;
        Ok(Duration::from_millis(u64::try_from(cursor.next_try_at - now).unwrap_or(0)))
    }

    /// Sends a batch. `None` if the term ended meanwhile; an error comes with the number of the domain event that it is about.
    async fn publish(&mut self, batch: Vec<DomainEvent>) -> Option<Result<(), (i64, PublishError)>> {
        let seqs: Vec<i64> = batch.iter().filter_map(|one| one.seq).collect();
        let deployment = &self.worker.config.messaging.deployment;
        let mut events = Vec::with_capacity(batch.len());
        let mut invalid = None;
        for domain_event in batch {
            if let Err(error) = validate(domain_event.kind, &domain_event.data) {
                invalid = Some(PublishError::Poison { index: events.len(), error });
                break;
            }
            events.push(CloudEvent::new(deployment, domain_event));
        }
        let sending = async {
            if !events.is_empty() {
                self.target.publish(&events).await?;
            }
            invalid.map_or(Ok(()), Err)
        };
        let sent = tokio::select! {
            sent = sending => sent,
            () = until_end(&self.worker, &mut self.term) => return None,
        };
        Some(sent.map_err(|error| {
            let index = if let PublishError::Poison { index, .. } = &error { *index } else { 0 };
            (seqs.get(index).copied().unwrap_or_default(), error)
        }))
    }

    async fn acknowledge(&self, cursor: OutboxCursor, last: i64, sent: usize) -> Result<Duration, Error> {
        let Self { worker, event, target, .. } = self;
        let moved = worker.ledger.acknowledge_domain_events(target.name(), event, cursor.seq, last);
        if worker.with_timeout(moved).await? {
            metrics::counter!("firstcome_outbox_published_total", "target" => target.name().to_owned(), "event" => event.to_string())
                .increment(sent as u64);
        }
        if cursor.failures > 0 {
            tracing::info!(%event, target_name = target.name(), "target {} accepts domain events again", target.name());
        }
        Ok(Duration::ZERO)
    }

    async fn record_failure(&self, cursor: OutboxCursor, error: &str) -> Result<Duration, Error> {
        let Self { worker, event, target, .. } = self;
        let retry_in_ms = backoff_ms(cursor.failures + 1, &worker.context.rng);
        if cursor.failures == 0 {
            tracing::warn!(%event, target_name = target.name(), error, "target {} did not accept domain events; retrying", target.name());
        }
        let recorded = worker.ledger.record_target_failure(target.name(), event, error, retry_in_ms);
        worker.with_timeout(recorded).await?;
        Ok(Duration::from_millis(retry_in_ms.unsigned_abs()))
    }

    /// Puts a domain event aside that the target can never accept.
    async fn bury(&self, cursor: OutboxCursor, seq: i64, error: &str) -> Result<Duration, Error> {
        let Self { worker, event, target, .. } = self;
        tracing::error!(%event, target_name = target.name(), seq, error, "target {} can never accept domain event {seq} of event {event}: {error}", target.name());
        let buried = worker.ledger.bury_domain_event(target.name(), event, cursor.seq, seq, error);
        if worker.with_timeout(buried).await? {
            metrics::counter!("firstcome_outbox_dead_total", "target" => target.name().to_owned(), "event" => event.to_string())
                .increment(1);
        }
        Ok(Duration::ZERO)
    }
}

/// Cuts a batch before the second domain event of an application: if a target took that one and not the first, the repetition would
/// bring them in the wrong order.
fn one_of_each_subject(mut batch: Vec<DomainEvent>) -> Vec<DomainEvent> {
    let mut seen = std::collections::HashSet::with_capacity(batch.len());
    let second = batch.iter().position(|one| !seen.insert(one.app_key));
    batch.truncate(second.unwrap_or(batch.len()));
    batch
}

/// Deletes old domain events.
async fn purge(worker: WorkerContext, event: EventId, mut term: TermSignal) {
    loop {
        tokio::select! {
            () = until_end(&worker, &mut term) => return,
            () = tokio::time::sleep(PURGE_PERIOD) => {}
        }
        loop {
            match worker.with_timeout(worker.ledger.purge_domain_events(&event, KEEP_MS)).await {
                Ok(0) => break,
                Ok(deleted) => tracing::info!(%event, deleted, "deleted old domain events of event {event}"),
                Err(error) => {
                    tracing::warn!(%event, %error, "failed to delete old domain events; retrying");
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{AppKey, DomainEventKind};

    use super::*;

    #[test]
    fn a_batch_ends_before_the_second_domain_event_of_an_application() {
        let one = |app_key: Option<u8>| DomainEvent {
            event: "spring".parse().unwrap(),
            app_key: app_key.map(|byte| AppKey([byte; 16])),
            version: 1,
            kind: DomainEventKind::ApplicationParked,
            at: 0,
            seq: Some(1),
            data: String::new(),
        };
        let length = |keys: &[Option<u8>]| one_of_each_subject(keys.iter().copied().map(one).collect()).len();
        assert_eq!(length(&[]), 0);
        assert_eq!(length(&[Some(1), Some(2), None]), 3);
        assert_eq!(length(&[Some(1), Some(2), Some(1), Some(3)]), 2);
        assert_eq!(length(&[None, None]), 1);
    }
}
