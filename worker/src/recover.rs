//! Arming the line after it started, and keeping its limit of numbers ahead of it. Both are written in the book first, so that
//! whatever state the line comes back in, no number is ever given twice.

use domain::{AppKey, EventState, Number, ReqHash};
use orders::BookEvent;
use queue::{Armed, Arming, Ask, LeadError, LineView, Mark, Restored};

use crate::term::Term;
use crate::{ChoreError, Floor};

/// Rows restored in one call.
const RESTORE_BATCH: u32 = 500;
/// Calls that restore, in one round.
const FILL_BATCHES: u32 = 20;
/// Seconds of numbers, at the rate of the last second, that are written ahead.
const AHEAD_S: u32 = 3;
/// Before any rate is known, a crowd of so many times the seats is expected at once, up to the most.
const CROWD: (u32, u32) = (10, 20_000);

/// Arms the line for a new era.
pub(crate) async fn arm(floor: &Floor, term: &mut Term) -> Result<(), ChoreError> {
    // A line that was wiped has forgotten which events there are, and shows none that it was not told of.
    floor.publish_events().await?;
    let event = floor.book.extend(&term.event, term.fence).await?;
    let era = floor.book.start_era(&term.event, term.fence).await?;
    let arming =
        Arming { epoch: era.epoch, line_limit: era.line_limit, settings: event.settings, rev: event.rev };
    let armed = floor.line.arm(&term.event, term.fence.0, arming).await?;
    tracing::info!(
        event = %term.event, epoch = era.epoch.0, seq = armed.seq, skipped = armed.skipped,
        "armed the line of event {}", term.event
    );
    term.unjudged = Some(armed);
    Ok(())
}

/// Holds the release back if the line that was armed forgot somebody. Remembered until it is done: an armed line tells it no more.
pub(crate) async fn hold_if_forgot(floor: &Floor, term: &mut Term) -> Result<(), ChoreError> {
    let Some(armed) = term.unjudged else { return Ok(()) };
    if armed.forgot || knows_more(floor, term, armed).await? {
        hold_release(floor, term).await?;
    }
    term.unjudged = None;
    Ok(())
}

/// Whether the book has somebody whose number the line had not reached: then it went back in time, whatever it says.
async fn knows_more(floor: &Floor, term: &Term, armed: Armed) -> Result<bool, ChoreError> {
    let reached = armed.seq - armed.skipped;
    Ok(!floor.book.moved_after(&term.event, reached, 1).await?.is_empty())
}

/// People apply again at once; nobody is moved until those whom the line forgot had time to show their receipts.
async fn hold_release(floor: &Floor, term: &Term) -> Result<(), ChoreError> {
    let grace_ms = floor.config.recover_grace_ms;
    tracing::error!(
        event = %term.event, grace_ms,
        "the line of event {} forgot somebody: nobody is moved for {grace_ms} ms, while receipts that are shown are restored", term.event
    );
    Ok(floor.book.hold_release(&term.event, term.fence, grace_ms).await?)
}

/// Brings back those who showed a receipt of a number that the line does not know. Whom the book knows, the mover passes on.
pub(crate) async fn restore_shown(floor: &Floor, term: &Term, shown: &[Ask]) -> Result<(), ChoreError> {
    let waiting = |ask: &Ask| Restored { mark: Mark::Waiting, ..restored((ask.number, ask.app_key)) };
    let rows: Vec<Restored> = shown.iter().map(waiting).collect();
    restore(floor, term, &rows).await
}

/// Gives a line that went back, or was made anew, everybody whom the book knows among the numbers that it skipped: nobody else
/// can have them. Done before the first number of a term is allowed, since who applies again must find the old one. A big event
/// takes many rounds, since the lead must be extended meanwhile; says whether it is done.
pub(crate) async fn fill_gaps(floor: &Floor, term: &mut Term, view: &LineView) -> Result<bool, ChoreError> {
    for _ in 0..FILL_BATCHES {
        let Some(gap) = view.gaps.runs().iter().find(|gap| gap.to > term.filled) else {
            term.whole = true;
            return Ok(true);
        };
        let after = term.filled.max(gap.from - 1);
        let booked = floor.book.moved_after(&term.event, after, RESTORE_BATCH).await?;
        let rows: Vec<Restored> =
            booked.into_iter().take_while(|(number, _)| number.get() <= gap.to).map(restored).collect();
        if !rows.is_empty() {
            restore(floor, term, &rows).await?;
        }
        term.filled = rows.last().map_or(gap.to, |last| last.number.get());
    }
    Ok(false)
}

fn restored((number, app_key): (Number, AppKey)) -> Restored {
    Restored { number, app_key, req_hash: ReqHash::NONE, mark: Mark::Moved, contact: Vec::new() }
}

async fn restore(floor: &Floor, term: &Term, rows: &[Restored]) -> Result<(), ChoreError> {
    tracing::info!(event = %term.event, "restoring {} applications that the line does not know", rows.len());
    match floor.line.restore(&term.event, term.fence.0, rows).await {
        // All others are restored; the mover freezes the event should it meet one of these.
        Err(LeadError::Conflicts(count)) => {
            tracing::error!(event = %term.event, "{count} applications of the book contradict the line of event {}", term.event);
            Ok(())
        }
        other => Ok(other?),
    }
}

/// Raises the limit, in the book and then in the line, before the line reaches it.
pub(crate) async fn keep_limit_ahead(
    floor: &Floor,
    term: &mut Term,
    view: &LineView,
    event: &BookEvent,
) -> Result<(), ChoreError> {
    let rate = term.growth.at(view.seq, (floor.context.now)());
    let crowd = if view.state < EventState::Open {
        event.settings.capacity.saturating_mul(CROWD.0).min(CROWD.1)
    } else {
        0
    };
    let ahead = rate.saturating_mul(AHEAD_S).max(crowd).max(floor.config.numbers_ahead_min);
    if view.line_limit.saturating_sub(view.seq) > ahead / 2 && view.line_limit >= event.line_limit {
        return Ok(());
    }
    let limit = view.seq.saturating_add(ahead).max(event.line_limit);
    floor.book.raise_limit(&term.event, term.fence, limit).await?;
    term.told.limit = limit;
    crate::relay::project(floor, term, event, view).await
}
