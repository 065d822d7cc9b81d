//! Arms the queue after it started, and restores applications that it lost. Limits are written in the ledger first, so that no
//! number is given twice, whatever state the queue comes back in.

use domain::{AppKey, EventState, Number, ReqHash};
use ledger::EventRow;
use queue::{ArmRequest, ArmResult, InboxEntry, LeaderError, QueueSnapshot, QueueState, RestoredApplication};

use super::term::LeaderTerm;
use crate::context::WorkerContext;
use crate::error::Error;

/// Rows restored in one call.
const RESTORE_BATCH: u32 = 500;
/// Restoring calls in one round.
const FILL_BATCHES: u32 = 20;

/// Arms the queue for a new epoch.
pub(crate) async fn arm(worker: &WorkerContext, term: &mut LeaderTerm) -> Result<(), Error> {
    // A wiped queue has lost the list of events, and shows only published ones.
    worker.publish_events().await?;
    let event = worker.ledger.extend_leadership(&term.event, term.fence).await?;
    let epoch = worker.ledger.start_epoch(&term.event, term.fence).await?;
    let arming = ArmRequest {
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
    term.unreviewed_arming = Some(armed);
    Ok(())
}

/// Whether, as far as the ledger knows, the event has not opened and no number was given.
async fn is_unopened(worker: &WorkerContext, event: &EventRow) -> Result<bool, Error> {
    let id = &event.settings.id;
    let status = worker.ledger.queue_status(id).await?;
    // The status repeats what the queue itself reported last, and a queue that was put back reports an earlier number.
    Ok(event.state == EventState::Scheduled
        && status.is_none_or(|status| status.seq == 0)
        && worker.ledger.admitted_after(id, 0, 1).await?.is_empty())
}

/// Holds the release back if the armed queue lost applications. The result of arming is kept until this is done, since an armed
/// queue does not report it again.
pub(crate) async fn hold_release_if_lossy(
    worker: &WorkerContext,
    term: &mut LeaderTerm,
) -> Result<(), Error> {
    let Some(armed) = term.unreviewed_arming else { return Ok(()) };
    if armed.lost_applications || ledger_is_ahead(worker, term, armed).await? {
        hold_release(worker, term).await?;
    }
    term.unreviewed_arming = None;
    Ok(())
}

/// Whether the ledger has an application with a number that the queue had not reached: then the queue went back in time, whatever
/// it reports.
async fn ledger_is_ahead(worker: &WorkerContext, term: &LeaderTerm, armed: ArmResult) -> Result<bool, Error> {
    let reached = armed.seq - armed.skipped;
    Ok(!worker.ledger.admitted_after(&term.event, reached, 1).await?.is_empty())
}

/// Stops admission for the grace period, in which applicants whose applications were lost can present their receipts. New
/// applications are accepted at once.
async fn hold_release(worker: &WorkerContext, term: &LeaderTerm) -> Result<(), Error> {
    let grace_ms = worker.config.recover_grace_ms;
    tracing::error!(
        event = %term.event, grace_ms,
        "the queue of event {} lost applications: admission stops for {grace_ms} ms, while presented receipts are restored", term.event
    );
    Ok(worker.ledger.hold_release(&term.event, term.fence, grace_ms).await?)
}

/// Restores the applications of presented receipts whose numbers the queue does not have. Admission skips those that the ledger
/// already has.
pub(crate) async fn restore_presented(
    worker: &WorkerContext,
    term: &LeaderTerm,
    presented: &[InboxEntry],
) -> Result<(), Error> {
    let rows: Vec<RestoredApplication> = presented
        .iter()
        .map(|entry| RestoredApplication {
            state: QueueState::Waiting,
            ..admitted_row((entry.number, entry.app_key))
        })
        .collect();
    restore(worker, term, &rows).await
}

/// Gives the queue all applications of the ledger whose numbers it skipped, and returns whether it has all of them. This is done
/// before the first number of a term is allowed, since an applicant who applies again must get the old number. A big event takes
/// many rounds, so that the lease is extended meanwhile.
pub(crate) async fn fill_gaps(
    worker: &WorkerContext,
    term: &mut LeaderTerm,
    snapshot: &QueueSnapshot,
) -> Result<bool, Error> {
    for _ in 0..FILL_BATCHES {
        let Some(gap) = snapshot.gaps.ranges().iter().find(|gap| gap.to > term.filled_through) else {
            term.gaps_filled = true;
            return Ok(true);
        };
        let after = term.filled_through.max(gap.from - 1);
        let admitted = worker.ledger.admitted_after(&term.event, after, RESTORE_BATCH).await?;
        let in_gap = admitted.into_iter().take_while(|(number, _)| number.get() <= gap.to);
        let rows: Vec<RestoredApplication> = in_gap.map(admitted_row).collect();
        if !rows.is_empty() {
            restore(worker, term, &rows).await?;
        }
        term.filled_through = rows.last().map_or(gap.to, |last| last.number.get());
    }
    Ok(false)
}

fn admitted_row((number, app_key): (Number, AppKey)) -> RestoredApplication {
    RestoredApplication {
        number,
        app_key,
        req_hash: ReqHash::NONE,
        state: QueueState::Admitted,
        contact: Vec::new(),
    }
}

async fn restore(
    worker: &WorkerContext,
    term: &LeaderTerm,
    rows: &[RestoredApplication],
) -> Result<(), Error> {
    tracing::info!(event = %term.event, "restoring {} applications that the queue does not have", rows.len());
    match worker.queue.restore(&term.event, term.fence.0, rows).await {
        // All others are restored. Admission freezes the event when it meets one of these.
        Err(LeaderError::Conflicts(count)) => {
            tracing::error!(event = %term.event, "{count} applications of the ledger contradict the queue of event {}; admission freezes the event when it reaches one", term.event);
            Ok(())
        }
        other => Ok(other?),
    }
}
