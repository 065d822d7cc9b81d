//! The lifecycle of an event: advances its state by the queue's clock, and settles it.

use domain::{EventSettings, EventState};
use ledger::{EventRow, EventTimes, SettleResult};
use queue::QueueSnapshot;

use super::queue_status;
use super::term::LeaderTerm;
use crate::context::WorkerContext;
use crate::error::Error;

/// Advances the event's state: to what the queue's clock says, then through settling.
pub(crate) async fn advance_state(
    worker: &WorkerContext,
    term: &mut LeaderTerm,
    event: &EventRow,
    snapshot: &QueueSnapshot,
) -> Result<(), Error> {
    let next = match event.state {
        EventState::Scheduled if snapshot.state == EventState::Open => EventState::Open,
        EventState::Scheduled | EventState::Open if snapshot.state >= EventState::Closed => {
            EventState::Closed
        }
        EventState::Closed if event.settings.settle_after_close => EventState::Settling,
        // The queue of a frozen event may contradict what applicants were shown.
        EventState::Settling if event.frozen.is_none() => return settle(worker, term, event).await,
        _ => return Ok(()),
    };
    if next == EventState::Closed {
        // The domain event of the closing takes the last number from there.
        queue_status::write(worker, term, snapshot, (worker.context.now)()).await?;
    }
    worker.ledger.advance(&term.event, term.fence, next).await?;
    Ok(())
}

/// Takes over the queue's opening and closing time if the queue had opened or closed before a change of them arrived.
pub(crate) async fn keep_times(
    worker: &WorkerContext,
    term: &LeaderTerm,
    event: &EventRow,
    snapshot: &QueueSnapshot,
) -> Result<(), Error> {
    let times = times_of(&snapshot.settings);
    let agreed = times == times_of(&event.settings);
    // Both times are past for both stores once the event settles.
    if snapshot.rev != event.rev || agreed || event.state >= EventState::Settling {
        return Ok(());
    }
    tracing::warn!(
        event = %term.event, opens_at = times.opens_at, closes_at = times.closes_at,
        "the queue of event {} acted on its times before a change of them arrived; the ledger takes over the queue's times", term.event
    );
    Ok(worker.ledger.keep_times(&term.event, term.fence, event.rev, times).await?)
}

fn times_of(settings: &EventSettings) -> EventTimes {
    EventTimes { opens_at: settings.opens_at, closes_at: settings.closes_at }
}

/// Settles the event once every request from before the closing is handled, no seat is held, and no seat is free while an application
/// waits.
async fn settle(worker: &WorkerContext, term: &LeaderTerm, event: &EventRow) -> Result<(), Error> {
    let closing = worker.queue.settle(&term.event, term.fence.0).await?;
    if event.closed_seq.is_none() {
        worker.ledger.record_closed_seq(&term.event, term.fence, closing.closed_seq).await?;
    }
    if !worker.queue.inbox(&term.event, event.inbox_through, 1).await?.is_empty() {
        return Ok(());
    }
    // Read after the closing: the queue may have given numbers since the round began.
    let waiting = worker.queue.snapshot(&term.event).await?.waiting;
    if worker.ledger.settle(&term.event, term.fence, waiting).await? == SettleResult::Settled {
        tracing::info!(event = %term.event, "event {} is settled", term.event);
    }
    Ok(())
}
