//! Admission: reads the head of the queue, assigns seats in one transaction of the ledger, then reports to the queue. Nothing is
//! popped: after a crash between two steps, the steps are repeated and nothing needs repair.

use data_encoding::BASE64;
use domain::Millis;
use ledger::{ADMIT_MAX, Candidate, EventRow, QueueReading};
use queue::{QueueHead, QueueSnapshot, WaitingApplication};

use super::term::LeaderTerm;
use crate::context::WorkerContext;
use crate::error::Error;

/// Admits as many applications as there is room for, and returns how many left the queue.
pub(crate) async fn admit_head(
    worker: &WorkerContext,
    term: &mut LeaderTerm,
    event: &EventRow,
    snapshot: &QueueSnapshot,
) -> Result<usize, Error> {
    let admissible = worker.ledger.admissible(event).await?.min(ADMIT_MAX);
    if admissible == 0 {
        return Ok(0);
    }
    let head = worker.queue.head(&term.event, admissible).await?;
    if head.waiting.is_empty() {
        return skip_empty_head(worker, term, snapshot, &head).await;
    }
    let candidates: Vec<Candidate> = head.waiting.iter().map(candidate).collect();
    term.has_not_due = true;
    let admission = worker.ledger.admit(&term.event, term.fence, &candidates, reading(snapshot)).await?;
    let through =
        if admission.all { head.through } else { last_admitted(&head, admission.known.len(), snapshot) };
    worker.queue.admitted(&term.event, term.fence.0, through, &admission.known, admission.changes).await?;
    worker.ledger.make_due(&term.event, &admission.known).await?;
    term.has_not_due = false;
    if admission.seated > 0 {
        worker.orders_due.notify_waiters();
        metrics::counter!("firstcome_admitted_total", "event" => term.event.to_string())
            .increment(admission.seated.into());
        tracing::debug!(event = %term.event, seated = admission.seated, through, "admitted {} applications", admission.seated);
    }
    Ok(admission.known.len())
}

/// How often the ledger is asked for order calls that are not due, in milliseconds.
const NOT_DUE_PERIOD_MS: Millis = 1000;

/// Ends an admission that stopped between its steps: the queue gets the applications as admitted, and their order calls are due. Otherwise
/// those that the queue has as admitted would never be read again. A ledger that was put back to an older state stops an admission too,
/// without a new leader, so that it is also asked from time to time.
pub(crate) async fn finish(
    worker: &WorkerContext,
    term: &mut LeaderTerm,
    event: &EventRow,
    snapshot: &QueueSnapshot,
    now: Millis,
) -> Result<(), Error> {
    term.has_not_due |= now - term.asked_not_due_at >= NOT_DUE_PERIOD_MS;
    while term.has_not_due {
        term.asked_not_due_at = now;
        let keys = worker.ledger.not_due(&term.event).await?;
        if !keys.is_empty() {
            let through = snapshot.admitted_through;
            worker.queue.admitted(&term.event, term.fence.0, through, &keys, event.changes).await?;
            worker.ledger.make_due(&term.event, &keys).await?;
            worker.orders_due.notify_waiters();
        }
        term.has_not_due = keys.len() == ADMIT_MAX as usize;
    }
    Ok(())
}

/// What a transaction of the ledger needs of the queue.
pub(crate) fn reading(snapshot: &QueueSnapshot) -> QueueReading {
    QueueReading { now: snapshot.now, changes: snapshot.ledger_changes }
}

fn candidate(waiting: &WaitingApplication) -> Candidate {
    let WaitingApplication { number, app_key, req_hash, ref contact } = *waiting;
    Candidate { number, app_key, req_hash, contact: BASE64.encode(contact) }
}

/// Moves the queue past withdrawn applications and gaps at its head.
async fn skip_empty_head(
    worker: &WorkerContext,
    term: &LeaderTerm,
    snapshot: &QueueSnapshot,
    head: &QueueHead,
) -> Result<usize, Error> {
    if head.through > snapshot.admitted_through {
        worker.queue.admitted(&term.event, term.fence.0, head.through, &[], snapshot.ledger_changes).await?;
        return Ok(1);
    }
    Ok(0)
}

/// The last admitted number when the seats ended before the head did.
fn last_admitted(head: &QueueHead, admitted: usize, snapshot: &QueueSnapshot) -> u32 {
    let last = admitted.checked_sub(1).map_or(0, |last| head.waiting[last].number.get());
    last.max(snapshot.admitted_through)
}
