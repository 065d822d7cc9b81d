//! The steward: answers what applicants asked for, and moves the event through its states.

use domain::EventState;
use orders::{BookEvent, Settling, Wish};
use queue::{Ask, AskKind, LineView};

use crate::term::Term;
use crate::{ChoreError, Floor, recover};

/// Wishes answered in one transaction.
const WISHES_MAX: u32 = 256;

/// Answers what is in the inbox, in the book first; says how many.
pub(crate) async fn hear_wishes(floor: &Floor, term: &Term, event: &BookEvent) -> Result<usize, ChoreError> {
    if event.frozen.is_some() {
        return Ok(0);
    }
    let asks = floor.line.inbox(&term.event, event.inbox_through, WISHES_MAX).await?;
    let Some(last) = asks.last().map(|ask| ask.id) else { return Ok(0) };
    let (shown, cancels): (Vec<Ask>, Vec<Ask>) =
        asks.into_iter().partition(|ask| ask.kind == AskKind::Present);
    let wishes: Vec<Wish> =
        cancels.iter().map(|ask| Wish { id: ask.id, app_key: ask.app_key, number: ask.number }).collect();
    if !shown.is_empty() {
        recover::restore_shown(floor, term, &shown).await?;
    }
    floor.book.hear(&term.event, term.fence, &wishes, last).await?;
    floor.line.acknowledge(&term.event, term.fence.0, last).await?;
    floor.moved.notify_waiters();
    Ok(wishes.len() + shown.len())
}

/// Takes the event's state forward: what the line's clock says, then settling.
pub(crate) async fn move_state_on(
    floor: &Floor,
    term: &Term,
    event: &BookEvent,
    view: &LineView,
) -> Result<(), ChoreError> {
    let (book, id, fence) = (&floor.book, &term.event, term.fence);
    match event.state {
        EventState::Scheduled if view.state == EventState::Open => {
            book.advance(id, fence, EventState::Open).await?;
        }
        EventState::Scheduled | EventState::Open if view.state >= EventState::Closed => {
            book.advance(id, fence, EventState::Closed).await?;
        }
        EventState::Closed if event.settings.settle_after_close => {
            book.advance(id, fence, EventState::Settling).await?;
        }
        // What the line says of a frozen event is not what its applicants were told.
        EventState::Settling if event.frozen.is_none() => settle(floor, term, event, view).await?,
        _ => {}
    }
    Ok(())
}

/// A line that had opened or closed when a change of these times arrived keeps its own; then the book takes those over.
pub(crate) async fn keep_times(
    floor: &Floor,
    term: &Term,
    event: &BookEvent,
    view: &LineView,
) -> Result<(), ChoreError> {
    let times = (view.settings.opens_at, view.settings.closes_at);
    let agreed = times == (event.settings.opens_at, event.settings.closes_at);
    // Once it settles, both are over for both.
    if view.rev != event.rev || agreed || event.state >= EventState::Settling {
        return Ok(());
    }
    tracing::warn!(
        event = %term.event, opens_at = times.0, closes_at = times.1,
        "the line of event {} had acted on its times before a change of them arrived; the book takes over the line's", term.event
    );
    Ok(floor.book.keep_times(&term.event, term.fence, event.rev, times).await?)
}

/// Settles once every wish from before the closing is answered, no seat is held, and none is free while somebody
/// waits. One look at the head covers a window of numbers only, so somebody may wait as long as it ends below the last number;
/// the mover takes the line past a window that is empty, also while the release is paused.
async fn settle(floor: &Floor, term: &Term, event: &BookEvent, view: &LineView) -> Result<(), ChoreError> {
    let closing = floor.line.settle(&term.event, term.fence.0).await?;
    if event.closed_seq.is_none() {
        floor.book.note_closed(&term.event, term.fence, closing.closed_seq).await?;
    }
    let unheard = !floor.line.inbox(&term.event, event.inbox_through, 1).await?.is_empty();
    if unheard {
        return Ok(());
    }
    let head = floor.line.head(&term.event, 1).await?;
    // The line may have given numbers between the view and the closing.
    let last = closing.closed_seq.max(view.seq);
    let anybody_waits = !head.waiting.is_empty() || head.through < last;
    if floor.book.settle(&term.event, term.fence, anybody_waits).await? == Settling::Settled {
        tracing::info!(event = %term.event, "event {} is settled", term.event);
    }
    Ok(())
}
