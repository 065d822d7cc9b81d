//! Keeps the limit of numbers ahead of the queue. It is raised in the ledger first, so that no number is given twice, whatever state
//! the queue comes back in.

use domain::EventState;
use ledger::EventRow;
use queue::QueueSnapshot;

use super::projector;
use super::term::LeaderTerm;
use crate::context::WorkerContext;
use crate::error::Error;

/// How far the limit is ahead, in seconds at the rate of the last second. A queue that was restarted skips up to it.
const AHEAD_S: u32 = 3;
/// The same where each process has a journal: such a queue skips nothing, unless it has lost something. So the limit is minutes ahead,
/// and applying does not depend on the leader and the ledger meanwhile.
const AHEAD_WITH_JOURNALS_S: u32 = 180;
const AHEAD_WITH_JOURNALS_MIN: u32 = 100_000;
/// Before any rate is known, so many applications per seat are expected at once.
const CROWD_PER_SEAT: u32 = 10;
/// The maximum number of applications that are expected at once.
const CROWD_MAX: u32 = 20_000;

/// Raises the limit, in the ledger and then in the queue, before the queue reaches it.
pub(crate) async fn keep_ahead(
    worker: &WorkerContext,
    term: &mut LeaderTerm,
    snapshot: &QueueSnapshot,
    event: &EventRow,
) -> Result<(), Error> {
    let given = snapshot.seq - snapshot.gaps.count(0, snapshot.seq);
    let rate = term.number_rate.update(given, (worker.context.now)());
    let crowd = if snapshot.state < EventState::Open {
        event.settings.capacity.saturating_mul(CROWD_PER_SEAT).min(CROWD_MAX)
    } else {
        0
    };
    let (seconds, min) = if term.journals.cover_all() {
        (AHEAD_WITH_JOURNALS_S, AHEAD_WITH_JOURNALS_MIN)
    } else {
        (AHEAD_S, worker.config.numbers_ahead_min)
    };
    let ahead = rate.saturating_mul(seconds).max(crowd).max(min);
    let has_enough = snapshot.number_limit.saturating_sub(snapshot.seq) > ahead / 2;
    // A ledger that was put back to an older state has a lower limit than the queue.
    if has_enough && snapshot.number_limit == event.number_limit {
        return Ok(());
    }
    let limit = snapshot.seq.saturating_add(ahead).max(event.number_limit).max(snapshot.number_limit);
    worker.ledger.raise_number_limit(&term.event, term.fence, limit).await?;
    term.projected.number_limit = limit;
    projector::project_settings(worker, term, event, snapshot).await
}
