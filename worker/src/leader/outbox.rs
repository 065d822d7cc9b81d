//! The leader's part of the outbox: it numbers domain events. The tasks of `crate::outbox` send them.

use domain::{EventId, Millis};

use super::term::LeaderTerm;
use crate::context::WorkerContext;
use crate::error::Error;
use crate::outbox;

/// Domain events that one transaction numbers, at most. The transaction locks the event's row, which dispatchers wait for.
const BATCH: u32 = 500;
/// How often domain events are numbered, in milliseconds.
const PERIOD_MS: Millis = 250;
/// How often the gauges are set, in milliseconds.
const GAUGE_PERIOD_MS: Millis = 5000;

/// Numbers new domain events and wakes the tasks that send them. The first round starts those tasks.
pub(crate) async fn number(worker: &WorkerContext, term: &mut LeaderTerm, now: Millis) -> Result<(), Error> {
    if !is_due(term.outbox.numbered_at, PERIOD_MS, now) && !term.outbox.has_more {
        return Ok(());
    }
    if term.outbox.numbered.is_none() {
        for target in &worker.config.messaging.targets {
            worker.ledger.add_target(&term.event, term.fence, target.name()).await?;
        }
        if worker.config.messaging.webhook.is_some() {
            for endpoint in worker.ledger.endpoints().await? {
                worker.ledger.add_target(&term.event, term.fence, &endpoint.target()).await?;
            }
        }
        term.outbox.numbered = Some(outbox::start(worker, &term.event));
    }
    let numbered = worker.ledger.number_domain_events(&term.event, term.fence, BATCH).await?;
    if let Some(sender) = term.outbox.numbered.as_ref().filter(|_| numbered > 0) {
        sender.send_modify(|count| *count += u64::from(numbered));
    }
    term.outbox.numbered_at = now;
    term.outbox.has_more = numbered == BATCH;
    if is_due(term.outbox.measured_at, GAUGE_PERIOD_MS, now) {
        record_gauges(worker, &term.event).await?;
        term.outbox.measured_at = now;
    }
    Ok(())
}

/// Whether the period has passed. A clock that was set back does not delay it.
fn is_due(last: Millis, period: Millis, now: Millis) -> bool {
    !(0..period).contains(&(now - last))
}

async fn record_gauges(worker: &WorkerContext, event: &EventId) -> Result<(), Error> {
    let now = worker.ledger.time().await?;
    for status in worker.ledger.target_statuses(Some(event)).await? {
        let lag_ms = status.oldest_at.map_or(0, |at| (now - at).clamp(0, u32::MAX.into()));
        let lag_ms = u32::try_from(lag_ms).unwrap_or(u32::MAX);
        let backlog = u32::try_from(status.last_seq - status.seq).unwrap_or(u32::MAX);
        let (target, event) = (status.target, status.event.to_string());
        metrics::gauge!("firstcome_outbox_lag_seconds", "target" => target.clone(), "event" => event.clone())
            .set(f64::from(lag_ms) / 1000.0);
        metrics::gauge!("firstcome_outbox_backlog", "target" => target, "event" => event).set(backlog);
    }
    Ok(())
}
