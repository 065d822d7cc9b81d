//! The inbox: answers what applicants asked for, and moves the event through its states.

use domain::EventState;
use ledger::{CancelRequest, EventRow, EventTimes, SettleResult};
use queue::{InboxEntry, InboxKind, QueueSnapshot};

use crate::term::Term;
use crate::{ChoreError, WorkerContext, recover};

/// Requests answered in one transaction.
const REQUESTS_MAX: u32 = 256;

/// Answers what is in the inbox, in the ledger first; says how many.
pub(crate) async fn handle_inbox(
    worker: &WorkerContext,
    term: &Term,
    event: &EventRow,
) -> Result<usize, ChoreError> {
    if event.frozen.is_some() {
        return Ok(0);
    }
    let asks = worker.queue.inbox(&term.event, event.inbox_through, REQUESTS_MAX).await?;
    let Some(last) = asks.last().map(|ask| ask.id) else { return Ok(0) };
    let (shown, cancels): (Vec<InboxEntry>, Vec<InboxEntry>) =
        asks.into_iter().partition(|ask| ask.kind == InboxKind::Present);
    let requests: Vec<CancelRequest> = cancels
        .iter()
        .map(|ask| CancelRequest { id: ask.id, app_key: ask.app_key, number: ask.number })
        .collect();
    if !shown.is_empty() {
        recover::restore_shown(worker, term, &shown).await?;
    }
    worker.ledger.handle_inbox(&term.event, term.fence, &requests, last).await?;
    worker.queue.acknowledge(&term.event, term.fence.0, last).await?;
    worker.admitted.notify_waiters();
    Ok(requests.len() + shown.len())
}

/// Takes the event's state forward: what the queue's clock says, then settling.
pub(crate) async fn advance_state(
    worker: &WorkerContext,
    term: &Term,
    event: &EventRow,
    view: &QueueSnapshot,
) -> Result<(), ChoreError> {
    let (ledger, id, fence) = (&worker.ledger, &term.event, term.fence);
    match event.state {
        EventState::Scheduled if view.state == EventState::Open => {
            ledger.advance(id, fence, EventState::Open).await?;
        }
        EventState::Scheduled | EventState::Open if view.state >= EventState::Closed => {
            ledger.advance(id, fence, EventState::Closed).await?;
        }
        EventState::Closed if event.settings.settle_after_close => {
            ledger.advance(id, fence, EventState::Settling).await?;
        }
        // What the queue says of a frozen event is not what its applicants were told.
        EventState::Settling if event.frozen.is_none() => settle(worker, term, event, view).await?,
        _ => {}
    }
    Ok(())
}

/// A queue that had opened or closed when a change of these times arrived keeps its own; then the ledger takes those over.
pub(crate) async fn keep_times(
    worker: &WorkerContext,
    term: &Term,
    event: &EventRow,
    view: &QueueSnapshot,
) -> Result<(), ChoreError> {
    let times = EventTimes { opens_at: view.settings.opens_at, closes_at: view.settings.closes_at };
    let agreed =
        times == EventTimes { opens_at: event.settings.opens_at, closes_at: event.settings.closes_at };
    // Once it settles, both are over for both.
    if view.rev != event.rev || agreed || event.state >= EventState::Settling {
        return Ok(());
    }
    tracing::warn!(
        event = %term.event, opens_at = times.opens_at, closes_at = times.closes_at,
        "the queue of event {} had acted on its times before a change of them arrived; the ledger takes over the queue's", term.event
    );
    Ok(worker.ledger.keep_times(&term.event, term.fence, event.rev, times).await?)
}

/// Settles once every request from before the closing is answered, no seat is held, and none is free while somebody
/// waits. One look at the head covers a window of numbers only, so somebody may wait as long as it ends below the last number;
/// admission takes the queue past a window that is empty, also while the release is paused.
async fn settle(
    worker: &WorkerContext,
    term: &Term,
    event: &EventRow,
    view: &QueueSnapshot,
) -> Result<(), ChoreError> {
    let closing = worker.queue.settle(&term.event, term.fence.0).await?;
    if event.closed_seq.is_none() {
        worker.ledger.record_closed_seq(&term.event, term.fence, closing.closed_seq).await?;
    }
    let unheard = !worker.queue.inbox(&term.event, event.inbox_through, 1).await?.is_empty();
    if unheard {
        return Ok(());
    }
    let head = worker.queue.head(&term.event, 1).await?;
    // The queue may have given numbers between the view and the closing.
    let last = closing.closed_seq.max(view.seq);
    let anybody_waits = !head.waiting.is_empty() || head.through < last;
    if worker.ledger.settle(&term.event, term.fence, anybody_waits).await? == SettleResult::Settled {
        tracing::info!(event = %term.event, "event {} is settled", term.event);
    }
    Ok(())
}
