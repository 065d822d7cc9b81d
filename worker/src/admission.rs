//! Admission: reads the head of the queue, gives seats in one transaction of the ledger, then tells the queue. It never pops: a
//! crash between any two steps is repeated, not repaired.

use data_encoding::BASE64;
use domain::EventState;
use ledger::{ADMIT_MAX, Candidate, EventRow};
use queue::{Head, QueueSnapshot, Waiting};

use crate::term::Term;
use crate::{ChoreError, WorkerContext};

/// Moves as many as there is room for; says how many left the queue. An event that is settling is looked through even without
/// room, so that numbers of nobody do not keep it from being settled.
pub(crate) async fn admit_head(
    worker: &WorkerContext,
    term: &Term,
    event: &EventRow,
    view: &QueueSnapshot,
) -> Result<usize, ChoreError> {
    let admissible = worker.ledger.admissible(event).await?.min(ADMIT_MAX);
    let settling = event.state == EventState::Settling && event.frozen.is_none();
    if admissible == 0 && !settling {
        return Ok(0);
    }
    let head = worker.queue.head(&term.event, admissible.max(1)).await?;
    if head.waiting.is_empty() {
        return pass_over(worker, term, view, &head).await;
    }
    if admissible == 0 {
        return Ok(0);
    }
    let newcomers: Vec<Candidate> = head.waiting.iter().map(newcomer).collect();
    let taken = worker.ledger.admit(&term.event, term.fence, &newcomers).await?;
    let through = if taken.all { head.through } else { last_taken(&head, taken.known.len(), view) };
    worker.queue.admitted(&term.event, term.fence.0, through, &taken.known).await?;
    if taken.seated > 0 {
        worker.admitted.notify_waiters();
        metrics::counter!("firstcome_admitted_total", "event" => term.event.to_string())
            .increment(taken.seated.into());
        tracing::debug!(event = %term.event, seated = taken.seated, through, "moved {} to orders", taken.seated);
    }
    Ok(taken.known.len())
}

fn newcomer(waiting: &Waiting) -> Candidate {
    Candidate { number: waiting.number, app_key: waiting.app_key, contact: BASE64.encode(&waiting.contact) }
}

/// Withdrawn ones and gaps at the head are nobody: the queue may go past them.
async fn pass_over(
    worker: &WorkerContext,
    term: &Term,
    view: &QueueSnapshot,
    head: &Head,
) -> Result<usize, ChoreError> {
    if head.through > view.admitted_through {
        worker.queue.admitted(&term.event, term.fence.0, head.through, &[]).await?;
        return Ok(1);
    }
    Ok(0)
}

/// How far the queue was admitted when the seats ended before the head did.
fn last_taken(head: &Head, taken: usize, view: &QueueSnapshot) -> u32 {
    let last = taken.checked_sub(1).map_or(0, |last| head.waiting[last].number.get());
    last.max(view.admitted_through)
}
