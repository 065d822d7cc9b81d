//! The leader of one event: acquires the leadership, then runs rounds (arm, inbox, expiry, admission, lifecycle, projection) until it loses
//! the leadership or the process stops.

mod admission;
mod auto_pace;
mod auto_pace_term;
mod called;
mod gap_recount;
mod inbox;
mod journals;
mod lifecycle;
mod number_limit;
mod number_rate;
mod outbox;
mod outbox_term;
mod projector;
mod queue_history;
mod queue_status;
mod reconciliation;
mod recovery;
mod term;

use std::time::Duration;

use domain::{EventId, EventState, Fence, Millis};
use ledger::EventRow;
use queue::{Continuity, LeaderError, QueueError, QueueSnapshot};
use service::health::Check;

use crate::context::WorkerContext;
use crate::error::Error;
use gap_recount::GapRecount;
use term::LeaderTerm;

/// Pause after a round that found work.
const BUSY: Duration = Duration::from_millis(10);
/// Pause after a round that found none.
const IDLE: Duration = Duration::from_millis(50);
/// The same for a settled event, where only a late cancellation may arrive. A shop has many settled events.
const SETTLED: Duration = Duration::from_secs(1);
/// Pause between attempts to acquire the leadership, and after a store failed.
const RETRY: Duration = Duration::from_millis(500);
/// How often the lease is extended even if nothing is written: a third of the lease.
const EXTEND_EVERY_MS: Millis = 1000;

/// Leads the event whenever no other worker does.
pub(crate) async fn lead(worker: WorkerContext, event: EventId) {
    let check = worker.context.health.check("leader");
    while !worker.is_stopping() {
        match worker.with_timeout(worker.ledger.acquire_leadership(&event)).await {
            Ok(Some(lead)) => {
                tracing::info!(%event, fence = lead.fence.0, "leading event {event}");
                check.ok();
                serve_term(&worker, &event, lead.fence, &check).await;
            }
            Ok(None) => check.ok(),
            Err(error) => {
                check.warn(error.to_string());
                tracing::warn!(%event, %error, "failed to acquire the leadership of event {event}; retrying");
            }
        }
        worker.sleep(RETRY).await;
    }
}

async fn serve_term(worker: &WorkerContext, event: &EventId, fence: Fence, check: &Check) {
    let mut term = LeaderTerm::new(event.clone(), fence);
    while !worker.is_stopping() {
        match worker.with_timeout(Box::pin(run_round(worker, &mut term, check))).await {
            Ok(pause) => worker.sleep(pause).await,
            Err(error @ (Error::Ledger(ledger::Error::Lost) | Error::Leader(LeaderError::Fenced { .. }))) => {
                tracing::warn!(%event, "lost leadership of event {event}");
                raise_fence(worker, event, &error).await;
                break;
            }
            // The next round reads the reason and reports it.
            Err(Error::Ledger(ledger::Error::Frozen(_))) => worker.sleep(BUSY).await,
            Err(error) => {
                metrics::counter!("firstcome_leader_round_failures_total", "event" => event.to_string())
                    .increment(1);
                tracing::warn!(%event, %error, "leader round failed; retrying");
                worker.sleep(RETRY).await;
            }
        }
    }
    projector::clear_gauges(event);
    if let Err(error) = worker.with_timeout(worker.ledger.step_down(event, fence)).await {
        tracing::debug!(%error, "failed to release the leadership; its lease expires");
    }
}

/// A fence of the queue that is above the ledger's was given out by a later state of the ledger, if the ledger was put back since. The
/// next leader must be above it.
async fn raise_fence(worker: &WorkerContext, event: &EventId, error: &Error) {
    if let Error::Leader(LeaderError::Fenced { current }) = error
        && let Err(error) = worker.with_timeout(worker.ledger.raise_fence(event, *current)).await
    {
        tracing::debug!(%error, "failed to raise the fence; the next leader tries again");
    }
}

/// Runs one round, and returns the pause after it. Every step can fail anywhere and be repeated: the next round reads the same
/// stores.
async fn run_round(worker: &WorkerContext, term: &mut LeaderTerm, check: &Check) -> Result<Duration, Error> {
    let now = (worker.context.now)();
    term.round += 1;
    if now - term.extended_at >= EXTEND_EVERY_MS {
        worker.ledger.extend_leadership(&term.event, term.fence).await?;
        term.extended_at = now;
    }
    outbox::number(worker, term, now).await?;
    let Some(snapshot) = armed_snapshot(worker, term, now).await? else { return Ok(IDLE) };
    let event = worker.ledger.event(&term.event).await?;
    if event.fence != term.fence {
        return Err(ledger::Error::Lost.into());
    }
    let event = recovery::judge_arming(worker, term, event, &snapshot).await?;
    let event = reconciliation::adopt_settings(worker, term, event, &snapshot).await?;
    let (event, has_replayed) = term.journals.note(worker, event, now).await?;
    if has_replayed {
        term.recount = Some(GapRecount::default());
    }
    report_health(term, &event, check);
    queue_status::report(worker, term, &snapshot, now).await?;
    auto_pace::adjust(worker, term, &event).await?;
    if !term.gaps_filled && !recovery::fill_gaps(worker, term, &snapshot).await? {
        return Ok(BUSY);
    }
    lifecycle::keep_times(worker, term, &event, &snapshot).await?;
    if !recovery::holds_intake(worker, term, &event, now) {
        number_limit::keep_ahead(worker, term, &snapshot, &event).await?;
    }
    if !reconciliation::reconcile(worker, term, &event, &snapshot).await? {
        projector::project_changes(worker, term, &event, &snapshot, now).await?;
        return Ok(IDLE);
    }
    admission::finish(worker, term, &event, &snapshot, now).await?;
    let handled = inbox::handle_inbox(worker, term, &event, &snapshot).await?;
    let (mut admitted, mut expired) = (0, 0);
    if recovery::end_recovery(worker, term, &event, &snapshot, now).await? {
        expired = called::expire(worker, term, &event, &snapshot, handled.until).await?;
        if event.state < EventState::Settled {
            admitted = admission::admit_head(worker, term, &event, &snapshot).await?;
        }
        lifecycle::advance_state(worker, term, &event, &snapshot).await?;
    }
    let projected = projector::project_changes(worker, term, &event, &snapshot, now).await?;
    Ok(match event.state {
        _ if handled.count > 0 || expired > 0 || admitted > 0 || projected > 0 => BUSY,
        EventState::Settled => SETTLED,
        _ => IDLE,
    })
}

/// Reports what keeps an event from admission. It lasts over restarts, so every leader reports it.
fn report_health(term: &mut LeaderTerm, event: &EventRow, check: &Check) {
    let report = match &event.frozen {
        Some(reason) => Some(format!("event {} is frozen, admission is stopped: {reason}", term.event)),
        None if event.journals_missing > 0 => Some(format!(
            "the queue of event {} lost applications, and {} journals of signup services are missing: start those services, or \
             accept the recovery without them (`firstcome event get {}` lists them)",
            term.event, event.journals_missing, term.event
        )),
        None => None,
    };
    match &report {
        Some(message) => {
            if term.reported.as_ref() != Some(message) {
                tracing::error!(event = %term.event, "{message}");
            }
            // In every round: all events of the process share the check.
            check.warn(message.as_str());
        }
        None if term.reported.is_some() => check.ok(),
        None => {}
    }
    term.reported = report;
}

/// Returns the state of the queue. Arms a queue that was restarted first; `None` while its processes may still report what they have.
async fn armed_snapshot(
    worker: &WorkerContext,
    term: &mut LeaderTerm,
    now: Millis,
) -> Result<Option<QueueSnapshot>, Error> {
    let continuity = match worker.queue.snapshot(&term.event).await {
        Ok(snapshot) if snapshot.armed => return Ok(Some(snapshot)),
        Ok(snapshot) => {
            queue_status::report(worker, term, &snapshot, now).await?;
            recovery::continuity(worker, term, &snapshot, now).await?
        }
        Err(QueueError::NotArmed | QueueError::UnknownEvent) => Some(Continuity::Unknown),
        Err(error) => return Err(error.into()),
    };
    let Some(continuity) = continuity else { return Ok(None) };
    term.unarmed_since = None;
    term.gaps_filled = false;
    term.filled_through = 0;
    recovery::arm(worker, term, continuity).await?;
    Ok(Some(worker.queue.snapshot(&term.event).await?))
}
