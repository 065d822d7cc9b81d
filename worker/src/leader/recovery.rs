//! Arms the queue after it started, and restores applications that it lost. Limits are written in the ledger first, so that no
//! number is given twice, whatever state the queue comes back in.

use domain::{Epoch, EventId, EventState, Millis, NO_JOURNAL, ReqHash};
use ledger::{AdmittedApplication, EventRow};
use queue::{
    ArmRequest, Continuity, InboxEntry, LeaderError, QueueSnapshot, QueueState, RestoredApplication,
};

use super::projector;
use super::term::LeaderTerm;
use crate::context::WorkerContext;
use crate::error::Error;

/// Rows restored in one call.
const RESTORE_BATCH: u32 = 500;
/// How long an unarmed queue waits for the reports of the processes that keep a journal. They report four times a second.
const REPORTS_WAIT_MS: Millis = 2000;
/// Restoring calls in one round.
const FILL_BATCHES: u32 = 20;

/// Arms the queue for a new epoch.
pub(crate) async fn arm(
    worker: &WorkerContext,
    term: &LeaderTerm,
    continuity: Continuity,
) -> Result<(), Error> {
    // A wiped queue has lost the list of events, and shows only published ones.
    worker.publish_events().await?;
    let event = worker.ledger.extend_leadership(&term.event, term.fence).await?;
    let epoch = worker.ledger.start_epoch(&term.event, term.fence).await?;
    let arming = ArmRequest {
        continuity,
        epoch: epoch.epoch,
        number_limit: epoch.number_limit,
        settings: event.settings,
        rev: event.rev,
    };
    let armed = match worker.queue.arm(&term.event, term.fence.0, arming).await {
        Err(error @ LeaderError::EpochTooOld { current }) => {
            // A later state of the ledger gave out that epoch, and the ledger was put back since.
            worker.ledger.raise_epoch(&term.event, term.fence, Epoch(current)).await?;
            return Err(error.into());
        }
        armed => armed?,
    };
    tracing::info!(
        event = %term.event, epoch = epoch.epoch.0, seq = armed.seq, skipped = armed.skipped,
        "armed the queue of event {}", term.event
    );
    Ok(())
}

/// What is known of numbers that a queue which came back may have lost; `None` while a process may still report. After a while the
/// queue is armed without the report of a process that is dead, and then with a gap.
pub(crate) async fn continuity(
    worker: &WorkerContext,
    term: &mut LeaderTerm,
    snapshot: &QueueSnapshot,
    now: Millis,
) -> Result<Option<Continuity>, Error> {
    let event = worker.ledger.event(&term.event).await?;
    if is_unopened(worker, &event).await? {
        return Ok(Some(Continuity::Unopened));
    }
    let journals = worker.ledger.registered_journals(&term.event).await?;
    let all_report =
        !journals.is_empty() && journals.iter().all(|journal| journal.is_awaited && journal.id != NO_JOURNAL);
    if !all_report || is_behind(worker, term, snapshot.seq).await? {
        return Ok(Some(Continuity::Unknown));
    }
    let reports = worker.queue.reports(&term.event).await?;
    if reports.iter().any(|(_, last)| *last > snapshot.seq) {
        return Ok(Some(Continuity::Unknown));
    }
    if journals.iter().all(|journal| reports.iter().any(|(id, _)| *id == journal.id)) {
        return Ok(Some(Continuity::Whole));
    }
    let since = *term.unarmed_since.get_or_insert(now);
    Ok((now - since >= REPORTS_WAIT_MS).then_some(Continuity::Unknown))
}

/// Whether, as far as the ledger knows, the event has not opened and no number was given.
async fn is_unopened(worker: &WorkerContext, event: &EventRow) -> Result<bool, Error> {
    let id = &event.settings.id;
    Ok(event.state == EventState::Scheduled
        && highest_seq(worker, id).await? == 0
        && worker.ledger.admitted_after(id, 0, 1).await?.is_empty())
}

/// The last number that the queue ever reported, also one that it has lost since.
async fn highest_seq(worker: &WorkerContext, event: &EventId) -> Result<u32, Error> {
    Ok(worker.ledger.queue_status(event).await?.map_or(0, |status| status.highest_seq))
}

/// Decides whether the queue lost applications before it was armed, and returns the event after that. The queue keeps what arming
/// found until this is in the ledger, so that a leader that ends leaves it to the next one.
pub(crate) async fn judge_arming(
    worker: &WorkerContext,
    term: &mut LeaderTerm,
    event: EventRow,
    snapshot: &QueueSnapshot,
) -> Result<EventRow, Error> {
    if event.judged_epoch >= snapshot.epoch {
        return Ok(event);
    }
    // A ledger that was put back may have lost a loss that the queue still has.
    let lost = snapshot.lost_epoch > event.lost_epoch
        || match snapshot.unjudged {
            Some(found) => found.lost_applications || is_behind(worker, term, found.reached).await?,
            None => false,
        };
    if lost {
        let grace_ms = worker.config.recover_grace_ms;
        tracing::error!(
            event = %term.event, grace_ms,
            "the queue of event {} lost applications: admission stops while they are restored from the ledger, from journals and from presented receipts", term.event
        );
        worker.ledger.record_loss(&term.event, term.fence, snapshot.epoch, snapshot.now, grace_ms).await?;
    } else {
        worker.ledger.record_whole(&term.event, term.fence, snapshot.epoch, snapshot.now).await?;
    }
    let event = worker.ledger.event(&term.event).await?;
    // At once: the processes replay their journals for the loss that the queue shows.
    projector::project_settings(worker, term, &event, snapshot).await?;
    Ok(event)
}

/// Whether a number above the last one of the queue is known: then the queue went back in time, whatever it reports.
async fn is_behind(worker: &WorkerContext, term: &LeaderTerm, reached: u32) -> Result<bool, Error> {
    Ok(highest_seq(worker, &term.event).await? > reached
        || !worker.ledger.admitted_after(&term.event, reached, 1).await?.is_empty())
}

/// Ends the recovery once every awaited journal was replayed and the time for receipts is over. Returns whether admission may go on.
pub(crate) async fn end_recovery(
    worker: &WorkerContext,
    term: &mut LeaderTerm,
    event: &EventRow,
    snapshot: &QueueSnapshot,
    now: Millis,
) -> Result<bool, Error> {
    if !event.is_recovering() {
        term.recovering_since = None;
        recount_gaps(worker, term, snapshot).await?;
        return Ok(true);
    }
    if event.journals_missing > 0 || now < event.recover_until {
        term.recount = None;
        return Ok(false);
    }
    term.recount.get_or_insert_default();
    if !recount_gaps(worker, term, snapshot).await? {
        return Ok(false);
    }
    worker.ledger.end_recovery(&term.event, term.fence, event.lost_epoch).await?;
    tracing::warn!(event = %term.event, "the recovery of event {} has ended: admission goes on", term.event);
    Ok(true)
}

/// Goes on with the recount of the gaps, if there is one. Returns whether it is done.
async fn recount_gaps(
    worker: &WorkerContext,
    term: &mut LeaderTerm,
    snapshot: &QueueSnapshot,
) -> Result<bool, Error> {
    let Some(recount) = &mut term.recount else { return Ok(true) };
    let Some(gaps) = recount.go_on(&worker.queue, &term.event, &snapshot.gaps).await? else {
        return Ok(false);
    };
    if gaps != snapshot.gaps {
        worker.queue.replace_gaps(&term.event, term.fence.0, &gaps).await?;
    }
    term.recount = None;
    Ok(true)
}

/// Whether new numbers wait: an applicant whose application is only in a missing journal would get a second number by applying again.
/// A journal that stays away delays new applicants for the grace period at most, and admission until an operator accepts the loss.
pub(crate) fn holds_intake(
    worker: &WorkerContext,
    term: &mut LeaderTerm,
    event: &EventRow,
    now: Millis,
) -> bool {
    if !event.is_recovering() {
        return false;
    }
    let waited = now - *term.recovering_since.get_or_insert(now);
    event.journals_missing > 0 && waited < worker.config.recover_grace_ms
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
            number: entry.number,
            app_key: entry.app_key,
            req_hash: ReqHash::NONE,
            state: QueueState::Waiting,
            contact: Vec::new(),
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
        let in_gap = admitted.iter().take_while(|application| application.number.get() <= gap.to);
        let rows: Vec<RestoredApplication> = in_gap.map(restored).collect();
        if !rows.is_empty() {
            restore(worker, term, &rows).await?;
        }
        term.filled_through = rows.last().map_or(gap.to, |last| last.number.get());
    }
    Ok(false)
}

fn restored(application: &AdmittedApplication) -> RestoredApplication {
    let AdmittedApplication { number, app_key, req_hash } = *application;
    RestoredApplication { number, app_key, req_hash, state: QueueState::Admitted, contact: Vec::new() }
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
