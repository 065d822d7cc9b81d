//! One event's leader: takes the lead, then goes round - arm, hear, move, show, settle - until it loses it or the process stops.

use std::time::Duration;

use domain::{EventId, EventState, Fence, Millis};
use ledger::EventRow;
use queue::{LeadError, QueueSnapshot, Refused};
use service::health::Check;

use crate::term::Term;
use crate::{ChoreError, WorkerContext, admission, lifecycle, projector, queue_status, recover};

/// Between rounds that found work.
const BUSY: Duration = Duration::from_millis(10);
/// Between rounds that found none.
const IDLE: Duration = Duration::from_millis(50);
/// The same for an event that is settled, where only a late cancel may come: a shop has many of those.
const SETTLED: Duration = Duration::from_secs(1);
/// Between tries to take the lead, and after a store failed.
const RETRY: Duration = Duration::from_millis(500);
/// The lead is extended this often even if nothing is written: a third of its lease.
const EXTEND_EVERY_MS: Millis = 1000;

/// Leads the event whenever nobody else does.
pub(crate) async fn lead(worker: WorkerContext, event: EventId) {
    let check = worker.context.health.check("leader");
    while !worker.context.tasks.is_stopping() {
        match worker.in_time(worker.ledger.acquire_leadership(&event)).await {
            Ok(Some(lead)) => {
                tracing::info!(%event, fence = lead.fence.0, "leading event {event}");
                check.ok();
                serve_term(&worker, &event, lead.fence, &check).await;
            }
            Ok(None) => check.ok(),
            Err(error) => {
                check.warn(error.to_string());
                tracing::warn!(%event, %error, "cannot take the lead of event {event}");
            }
        }
        worker.pause(RETRY).await;
    }
}

async fn serve_term(worker: &WorkerContext, event: &EventId, fence: Fence, check: &Check) {
    let mut term = Term::new(event.clone(), fence);
    while !worker.context.tasks.is_stopping() {
        match worker.in_time(Box::pin(go_round(worker, &mut term, check))).await {
            Ok(pause) => worker.pause(pause).await,
            Err(ChoreError::Ledger(ledger::Error::Lost) | ChoreError::Lead(LeadError::Fenced(_))) => {
                tracing::warn!(%event, "another leads event {event} now");
                break;
            }
            // The next round tells it.
            Err(ChoreError::Ledger(ledger::Error::Frozen(_))) => worker.pause(BUSY).await,
            Err(error) => {
                metrics::counter!("firstcome_leader_round_failures_total", "event" => event.to_string())
                    .increment(1);
                tracing::warn!(%event, %error, "a leader's round of event {event} failed; it is repeated");
                worker.pause(RETRY).await;
            }
        }
    }
    if let Err(error) = worker.in_time(worker.ledger.step_down(event, fence)).await {
        tracing::debug!(%error, "the lead was not given back; it runs out by itself");
    }
}

/// One round, and how long to pause after it. Every step can be repeated and may fail anywhere between: the next round finds the
/// same truth.
async fn go_round(worker: &WorkerContext, term: &mut Term, check: &Check) -> Result<Duration, ChoreError> {
    let now = (worker.context.now)();
    term.round += 1;
    if now - term.extended_at >= EXTEND_EVERY_MS {
        worker.ledger.extend_leadership(&term.event, term.fence).await?;
        term.extended_at = now;
    }
    let view = armed_view(worker, term, now).await?;
    recover::hold_if_forgot(worker, term).await?;
    // Read after arming, which may have held the release back.
    let event = worker.ledger.event(&term.event).await?;
    if event.fence != term.fence {
        return Err(ledger::Error::Lost.into());
    }
    report_health(term, &event, check);
    queue_status::report(worker, term, &view, now).await?;
    if !term.whole && !recover::fill_gaps(worker, term, &view).await? {
        return Ok(BUSY);
    }
    lifecycle::keep_times(worker, term, &event, &view).await?;
    recover::keep_limit_ahead(worker, term, &view, &event).await?;
    let heard = lifecycle::handle_inbox(worker, term, &event).await?;
    let recovering = now < event.recover_until;
    let mut admitted = 0;
    if event.state < EventState::Settled && !recovering {
        admitted = admission::admit_head(worker, term, &event, &view).await?;
    }
    if !recovering {
        lifecycle::advance_state(worker, term, &event, &view).await?;
    }
    let told = projector::tell(worker, term, &event, &view, now).await?;
    Ok(match event.state {
        _ if heard > 0 || admitted > 0 || told > 0 => BUSY,
        EventState::Settled => SETTLED,
        _ => IDLE,
    })
}

/// A frozen event stays frozen over restarts, so it is told as long as it is.
fn report_health(term: &mut Term, event: &EventRow, check: &Check) {
    if let Some(why) = &event.frozen {
        let told = format!("event {} is frozen, nobody is admitted: {why}", term.event);
        if !term.frozen {
            tracing::error!(event = %term.event, "{told}");
        }
        check.warn(told);
    } else if term.frozen {
        check.ok();
    }
    term.frozen = event.frozen.is_some();
}

/// The queue as it is, armed: a queue that was restarted is armed first.
async fn armed_view(
    worker: &WorkerContext,
    term: &mut Term,
    now: Millis,
) -> Result<QueueSnapshot, ChoreError> {
    match worker.queue.view(&term.event).await {
        Ok(view) if view.armed => return Ok(view),
        Ok(view) => queue_status::report(worker, term, &view, now).await?,
        Err(Refused::NotArmed | Refused::UnknownEvent) => {}
        Err(error) => return Err(error.into()),
    }
    (term.whole, term.filled) = (false, 0);
    recover::arm(worker, term).await?;
    Ok(worker.queue.view(&term.event).await?)
}
