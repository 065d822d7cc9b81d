//! Arming the line after it started, and keeping its limit of numbers ahead of it. Both are written in the book first, so that
//! whatever state the line comes back in, no number is ever given twice.

use domain::{EventState, Millis};
use orders::BookEvent;
use queue::{Arming, LineView, Mark, Restored};

use crate::leader::Term;
use crate::{ChoreError, Floor};

/// Rows restored in one call.
const RESTORE_BATCH: u32 = 500;
/// Seconds of numbers, at the rate of the last second, that are written ahead.
const AHEAD_S: u32 = 3;
/// Before any rate is known, a crowd of so many times the seats is expected at once, up to the most.
const CROWD: (u32, u32) = (10, 20_000);

/// How fast numbers are being given.
#[derive(Debug, Default)]
pub(crate) struct Growth {
    since: Millis,
    seq_then: u32,
    per_second: u32,
}

impl Growth {
    /// Numbers given per second, over the last second or more.
    fn at(&mut self, seq: u32, now: Millis) -> u32 {
        let elapsed = now - self.since;
        if elapsed >= 1000 {
            let per_second = i64::from(seq.saturating_sub(self.seq_then)) * 1000 / elapsed;
            *self =
                Self { since: now, seq_then: seq, per_second: u32::try_from(per_second).unwrap_or(u32::MAX) };
        }
        // Within the second, what already came counts in full: a spike must not wait for its second to be over.
        self.per_second.max(seq.saturating_sub(self.seq_then))
    }
}

/// Arms the line for a new era. A line that was made anew gets back everybody whom the book knows.
pub(crate) async fn arm(floor: &Floor, term: &Term) -> Result<(), ChoreError> {
    let event = floor.book.extend(&term.event, term.fence).await?;
    let era = floor.book.start_era(&term.event, term.fence).await?;
    let arming =
        Arming { epoch: era.epoch, line_limit: era.line_limit, settings: event.settings, rev: event.rev };
    let armed = floor.line.arm(&term.event, term.fence.0, arming).await?;
    tracing::info!(
        event = %term.event, epoch = era.epoch.0, seq = armed.seq, skipped = armed.skipped,
        "armed the line of event {}", term.event
    );
    if armed.skipped == armed.seq && armed.seq > 0 {
        restore_from_book(floor, term).await?;
    }
    Ok(())
}

async fn restore_from_book(floor: &Floor, term: &Term) -> Result<(), ChoreError> {
    let mut after = 0;
    loop {
        let moved = floor.book.moved_after(&term.event, after, RESTORE_BATCH).await?;
        let Some((last, _)) = moved.last() else { return Ok(()) };
        after = last.get();
        let rows: Vec<Restored> = moved
            .into_iter()
            .map(|(number, app_key)| Restored {
                number,
                app_key,
                req_hash: domain::ReqHash::NONE,
                mark: Mark::Moved,
                contact: Vec::new(),
            })
            .collect();
        tracing::warn!(event = %term.event, through = after, "restoring {} applications from the book into an empty line", rows.len());
        floor.line.restore(&term.event, term.fence.0, &rows).await?;
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
    term.relay.allow(limit);
    crate::relay::project(floor, term, event, view).await
}
