//! Arming the queue after it started, and keeping its limit of numbers ahead of it. Both are written in the ledger first, so that
//! whatever state the queue comes back in, no number is ever given twice.

use domain::{AppKey, EventState, Number, ReqHash};
use ledger::EventRow;
use queue::{Armed, Arming, InboxEntry, LeadError, QueueSnapshot, QueueState, Restored};

use crate::term::Term;
use crate::{ChoreError, WorkerContext};

/// Rows restored in one call.
const RESTORE_BATCH: u32 = 500;
/// Calls that restore, in one round.
const FILL_BATCHES: u32 = 20;
/// Seconds of numbers, at the rate of the last second, that are written ahead.
const AHEAD_S: u32 = 3;
/// Before any rate is known, a crowd of so many times the seats is expected at once, up to the most.
const CROWD: (u32, u32) = (10, 20_000);

/// Arms the queue for a new epoch.
pub(crate) async fn arm(worker: &WorkerContext, term: &mut Term) -> Result<(), ChoreError> {
    // A queue that was wiped has forgotten which events there are, and shows none that it was not told of.
    worker.publish_events().await?;
    let event = worker.ledger.extend_leadership(&term.event, term.fence).await?;
    let epoch = worker.ledger.start_epoch(&term.event, term.fence).await?;
    let arming = Arming {
        unopened: is_unopened(worker, &event).await?,
        epoch: epoch.epoch,
        number_limit: epoch.number_limit,
        settings: event.settings,
        rev: event.rev,
    };
    let armed = worker.queue.arm(&term.event, term.fence.0, arming).await?;
    tracing::info!(
        event = %term.event, epoch = epoch.epoch.0, seq = armed.seq, skipped = armed.skipped,
        "armed the queue of event {}", term.event
    );
    term.unjudged = Some(armed);
    Ok(())
}

/// Whether, as far as the ledger knows, the event has not opened and no number was given.
async fn is_unopened(worker: &WorkerContext, event: &EventRow) -> Result<bool, ChoreError> {
    let status = worker.ledger.queue_status(&event.settings.id).await?;
    Ok(event.state == EventState::Scheduled && status.is_none_or(|status| status.seq == 0))
}

/// Holds the release back if the queue that was armed forgot somebody. Remembered until it is done: an armed queue tells it no more.
pub(crate) async fn hold_if_forgot(worker: &WorkerContext, term: &mut Term) -> Result<(), ChoreError> {
    let Some(armed) = term.unjudged else { return Ok(()) };
    if armed.forgot || knows_more(worker, term, armed).await? {
        hold_release(worker, term).await?;
    }
    term.unjudged = None;
    Ok(())
}

/// Whether the ledger has somebody whose number the queue had not reached: then it went back in time, whatever it says.
async fn knows_more(worker: &WorkerContext, term: &Term, armed: Armed) -> Result<bool, ChoreError> {
    let reached = armed.seq - armed.skipped;
    Ok(!worker.ledger.admitted_after(&term.event, reached, 1).await?.is_empty())
}

/// People apply again at once; nobody is admitted until those whom the queue forgot had time to show their receipts.
async fn hold_release(worker: &WorkerContext, term: &Term) -> Result<(), ChoreError> {
    let grace_ms = worker.config.recover_grace_ms;
    tracing::error!(
        event = %term.event, grace_ms,
        "the queue of event {} forgot somebody: nobody is admitted for {grace_ms} ms, while receipts that are shown are restored", term.event
    );
    Ok(worker.ledger.hold_release(&term.event, term.fence, grace_ms).await?)
}

/// Brings back those who showed a receipt of a number that the queue does not know. Whom the ledger knows, admission passes on.
pub(crate) async fn restore_shown(
    worker: &WorkerContext,
    term: &Term,
    shown: &[InboxEntry],
) -> Result<(), ChoreError> {
    let waiting =
        |ask: &InboxEntry| Restored { mark: QueueState::Waiting, ..restored((ask.number, ask.app_key)) };
    let rows: Vec<Restored> = shown.iter().map(waiting).collect();
    restore(worker, term, &rows).await
}

/// Gives a queue that went back, or was made anew, everybody whom the ledger knows among the numbers that it skipped: nobody else
/// can have them. Done before the first number of a term is allowed, since who applies again must find the old one. A big event
/// takes many rounds, since the lead must be extended meanwhile; says whether it is done.
pub(crate) async fn fill_gaps(
    worker: &WorkerContext,
    term: &mut Term,
    view: &QueueSnapshot,
) -> Result<bool, ChoreError> {
    for _ in 0..FILL_BATCHES {
        let Some(gap) = view.gaps.ranges().iter().find(|gap| gap.to > term.filled) else {
            term.whole = true;
            return Ok(true);
        };
        let after = term.filled.max(gap.from - 1);
        let booked = worker.ledger.admitted_after(&term.event, after, RESTORE_BATCH).await?;
        let rows: Vec<Restored> =
            booked.into_iter().take_while(|(number, _)| number.get() <= gap.to).map(restored).collect();
        if !rows.is_empty() {
            restore(worker, term, &rows).await?;
        }
        term.filled = rows.last().map_or(gap.to, |last| last.number.get());
    }
    Ok(false)
}

fn restored((number, app_key): (Number, AppKey)) -> Restored {
    Restored { number, app_key, req_hash: ReqHash::NONE, mark: QueueState::Admitted, contact: Vec::new() }
}

async fn restore(worker: &WorkerContext, term: &Term, rows: &[Restored]) -> Result<(), ChoreError> {
    tracing::info!(event = %term.event, "restoring {} applications that the queue does not know", rows.len());
    match worker.queue.restore(&term.event, term.fence.0, rows).await {
        // All others are restored; admission freezes the event should it meet one of these.
        Err(LeadError::Conflicts(count)) => {
            tracing::error!(event = %term.event, "{count} applications of the ledger contradict the queue of event {}", term.event);
            Ok(())
        }
        other => Ok(other?),
    }
}

/// Raises the limit, in the ledger and then in the queue, before the queue reaches it.
pub(crate) async fn keep_limit_ahead(
    worker: &WorkerContext,
    term: &mut Term,
    view: &QueueSnapshot,
    event: &EventRow,
) -> Result<(), ChoreError> {
    let rate = term.growth.at(view.seq, (worker.context.now)());
    let crowd = if view.state < EventState::Open {
        event.settings.capacity.saturating_mul(CROWD.0).min(CROWD.1)
    } else {
        0
    };
    let ahead = rate.saturating_mul(AHEAD_S).max(crowd).max(worker.config.numbers_ahead_min);
    if view.number_limit.saturating_sub(view.seq) > ahead / 2 && view.number_limit >= event.number_limit {
        return Ok(());
    }
    let limit = view.seq.saturating_add(ahead).max(event.number_limit);
    worker.ledger.raise_number_limit(&term.event, term.fence, limit).await?;
    term.told.limit = limit;
    crate::projector::project(worker, term, event, view).await
}
