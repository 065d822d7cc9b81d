//! Called applicants: ends the time of those who did not confirm, and projects the time of those who are called.

use domain::{Kind, Millis};
use ledger::{CalledProjection, EventRow};
use queue::QueueSnapshot;

use super::admission::reading;
use super::term::LeaderTerm;
use crate::context::WorkerContext;
use crate::error::Error;

/// Ends the applications whose time is over by `handled_until`, before which every request is handled; with passes, after the grace
/// period. Returns how many.
pub(crate) async fn expire(
    worker: &WorkerContext,
    term: &LeaderTerm,
    event: &EventRow,
    snapshot: &QueueSnapshot,
    handled_until: Option<Millis>,
) -> Result<usize, Error> {
    let Some(handled_until) = handled_until.filter(|_| event.settings.kind != Kind::Order) else {
        return Ok(0);
    };
    // The shop may report an order of the last moment.
    let grace = if event.settings.kind == Kind::Pass { worker.config.report_grace_ms } else { 0 };
    let handled_until = handled_until - grace;
    let expired =
        worker.ledger.expire_called(&term.event, term.fence, handled_until, reading(snapshot)).await?;
    if let (Some(first), Some(last)) = (expired.first(), expired.last()) {
        metrics::counter!("firstcome_expired_total", "event" => term.event.to_string())
            .increment(expired.len() as u64);
        tracing::info!(
            target: "business", event = %term.event, count = expired.len(), first = first.get(), last = last.get(),
            "{} applications of event {} expired", expired.len(), term.event
        );
    }
    Ok(expired.len())
}

/// Called applicants whose time the queue does not have yet, at most `max`.
pub(crate) async fn unprojected(
    worker: &WorkerContext,
    event: &EventRow,
    snapshot: &QueueSnapshot,
    max: u32,
) -> Result<Vec<CalledProjection>, Error> {
    match event.settings.kind {
        Kind::Order => Ok(Vec::new()),
        Kind::Confirm | Kind::Pass => {
            Ok(worker.ledger.unprojected_called(&event.settings.id, snapshot.epoch, max).await?)
        }
    }
}
