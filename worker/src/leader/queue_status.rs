//! The queue status: a row of the ledger that the leader writes every second. The operator console reads it instead of the queue.

use domain::{EventId, Millis};
use ledger::QueueStatus;
use queue::QueueSnapshot;

use super::term::LeaderTerm;
use crate::context::WorkerContext;
use crate::error::Error;

/// How often the status is written, in milliseconds.
const PERIOD_MS: Millis = 1000;

/// Writes the status if the last one is a second old. The write extends the lease.
pub(crate) async fn report(
    worker: &WorkerContext,
    term: &mut LeaderTerm,
    snapshot: &QueueSnapshot,
    now: Millis,
) -> Result<(), Error> {
    if now - term.history.written_at < PERIOD_MS {
        return Ok(());
    }
    write(worker, term, snapshot, now).await
}

/// Writes the status.
pub(crate) async fn write(
    worker: &WorkerContext,
    term: &mut LeaderTerm,
    snapshot: &QueueSnapshot,
    now: Millis,
) -> Result<(), Error> {
    let sold = (term.projected.figures.at > 0).then_some(term.projected.figures.sold);
    let status = term.history.status(snapshot, sold, now);
    term.history.reported_at = worker.ledger.write_queue_status(&term.event, term.fence, &status).await?;
    record_gauges(&term.event, &status);
    term.history.written_at = now;
    term.extended_at = now;
    Ok(())
}

fn record_gauges(event: &EventId, status: &QueueStatus) {
    let id = event.to_string();
    let oldest_ms = status.oldest_wait_ms.or((status.waiting == 0).then_some(0));
    if let Some(ms) = oldest_ms.and_then(|ms| u32::try_from(ms).ok()) {
        metrics::gauge!("firstcome_oldest_wait_seconds", "event" => id.clone()).set(f64::from(ms) / 1000.0);
    }
    metrics::gauge!("firstcome_skipped_numbers", "event" => id).set(status.skipped_numbers);
}
