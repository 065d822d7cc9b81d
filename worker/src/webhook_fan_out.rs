//! The fan-out of an event's domain events into deliveries to webhook endpoints. Deliveries are rows of the ledger; the task of
//! `webhooks` makes them.

use std::time::Duration;

use domain::EventId;
use ledger::EndpointRow;
use messaging::validate;

use crate::context::WorkerContext;
use crate::error::Error;
use crate::numbered::{TermSignal, wait};

/// Domain events that become deliveries in one transaction, at most.
const BATCH: u32 = 500;
/// How often new endpoints are looked for while no domain event is new.
const IDLE: Duration = Duration::from_secs(2);
/// Pause after the ledger failed.
const RETRY: Duration = Duration::from_millis(500);

/// Makes deliveries until the leader's term ends.
pub(crate) async fn fan_out(worker: WorkerContext, event: EventId, mut term: TermSignal) {
    let mut pause = Duration::ZERO;
    while wait(&worker, &mut term, pause).await {
        pause = match worker.with_timeout(fan_out_batches(&worker, &event)).await {
            Ok(true) => Duration::ZERO,
            Ok(false) => IDLE,
            Err(error) => {
                tracing::warn!(%event, %error, "failed to make webhook deliveries of domain events; retrying");
                RETRY
            }
        };
    }
}

/// Makes deliveries of one batch for each endpoint. Returns whether there may be more.
async fn fan_out_batches(worker: &WorkerContext, event: &EventId) -> Result<bool, Error> {
    let mut has_more = false;
    for endpoint in worker.ledger.endpoints().await? {
        has_more |= fan_out_batch(worker, event, &endpoint).await?;
    }
    Ok(has_more)
}

async fn fan_out_batch(
    worker: &WorkerContext,
    event: &EventId,
    endpoint: &EndpointRow,
) -> Result<bool, Error> {
    let target = endpoint.target();
    let Some(cursor) = worker.ledger.outbox_cursor(&target, event).await? else {
        worker.ledger.add_endpoint_cursor(endpoint, event).await?;
        return Ok(true);
    };
    let mut batch = worker.ledger.domain_events_after(event, cursor.seq, BATCH).await?;
    let Some(first) = batch.first() else { return Ok(false) };
    if let (Some(seq), Err(error)) = (first.seq, validate(first.kind, &first.data)) {
        tracing::error!(%event, target_name = target, seq, error, "domain event {seq} of event {event} can never be delivered: {error}");
        worker.ledger.bury_domain_event(&target, event, cursor.seq, seq, &error).await?;
        return Ok(true);
    }
    let invalid = batch.iter().position(|one| validate(one.kind, &one.data).is_err());
    batch.truncate(invalid.unwrap_or(batch.len()));
    worker.ledger.fan_out(&endpoint.id, event, cursor.seq, &batch).await?;
    Ok(true)
}
