//! The outbox: publishes domain events.

use ledger::EventRow;

use crate::context::WorkerContext;
use crate::error::Error;

/// The maximum number of domain events published in one round.
pub(crate) const BATCH: usize = 500;

/// Publishes domain events, and returns how many. There are no webhooks yet: each domain event is one line of the log, without
/// personal data.
pub(crate) async fn publish(worker: &WorkerContext, event: &EventRow) -> Result<usize, Error> {
    let limit = u32::try_from(BATCH).unwrap_or(u32::MAX);
    let domain_events = worker.ledger.unsent(&event.settings.id, limit).await?;
    for domain_event in &domain_events {
        tracing::info!(target: "domain_event", event = %domain_event.event, kind = %domain_event.kind, payload = %domain_event.payload, "{}", domain_event.kind);
    }
    worker.ledger.mark_sent(&domain_events).await?;
    Ok(domain_events.len())
}
