//! The relay: shows the book's settings, figures and outcomes in the line, and sends notices. It decides nothing.

use domain::Millis;
use orders::{BookEvent, ToShow};
use queue::{Figures, LineView, Projection, Shown};

use crate::term::Term;
use crate::{ChoreError, Floor};

/// Outcomes shown in one write.
const SHOW_MAX: u32 = 500;
/// Notices sent in one round.
const NOTICES_MAX: u32 = 500;
/// How often figures, outcomes and notices are told. While they are, nobody is moved: told in every round, they would cost as
/// much as all the rest of it, and orders that come one by one a write each.
const TELL_EVERY_MS: Millis = 250;

/// Projects what changed, and sends what is unsent; says how many outcomes and notices went out. Changed settings go at once.
pub(crate) async fn tell(
    floor: &Floor,
    term: &mut Term,
    event: &BookEvent,
    view: &LineView,
    now: Millis,
) -> Result<usize, ChoreError> {
    let changed = term.told.rev != event.rev || term.told.state != Some(event.state);
    let stale = !(0..TELL_EVERY_MS).contains(&(now - term.told.figures.at));
    if !(stale || changed || term.told.more) {
        return Ok(0);
    }
    let to_show = floor.book.to_show(&term.event, view.epoch, SHOW_MAX).await?;
    if stale {
        let seats = floor.book.seats(&term.event).await?;
        term.told.figures = Figures { sold: seats.sold, free: seats.free, held: seats.held, at: now };
        gauge(event, view, term.told.figures);
    }
    if stale || changed || !to_show.is_empty() {
        write(floor, term, event, view, &to_show).await?;
        floor.book.mark_shown(&term.event, view.epoch, &to_show).await?;
    }
    let sent = send_notices(floor, event).await?;
    term.told.more = to_show.len() == SHOW_MAX as usize || sent == NOTICES_MAX as usize;
    Ok(to_show.len() + sent)
}

/// Projects settings, limit and figures at once, without outcomes.
pub(crate) async fn project(
    floor: &Floor,
    term: &mut Term,
    event: &BookEvent,
    view: &LineView,
) -> Result<(), ChoreError> {
    write(floor, term, event, view, &[]).await
}

async fn write(
    floor: &Floor,
    term: &mut Term,
    event: &BookEvent,
    view: &LineView,
    to_show: &[ToShow],
) -> Result<(), ChoreError> {
    let outcomes = to_show
        .iter()
        .map(|one| (one.number, Shown { outcome: one.outcome, order_no: one.order_no.clone() }))
        .collect();
    let projection = Projection {
        rev: event.rev,
        settings: event.settings.clone(),
        state: event.state,
        line_limit: term.told.limit.max(event.line_limit).max(view.line_limit),
        round: term.round,
        figures: term.told.figures,
        settled_seq: event.settled_seq,
        outcomes,
    };
    floor.line.project(&term.event, term.fence.0, projection).await?;
    (term.told.rev, term.told.state) = (event.rev, Some(event.state));
    Ok(())
}

/// Until there are webhooks, a notice is a line in the log: one for each, never a personal datum in it.
async fn send_notices(floor: &Floor, event: &BookEvent) -> Result<usize, ChoreError> {
    let notices = floor.book.unsent(&event.settings.id, NOTICES_MAX).await?;
    for notice in &notices {
        tracing::info!(target: "notice", event = %notice.event, kind = %notice.kind, payload = %notice.payload, "{}", notice.kind);
    }
    floor.book.mark_sent(&notices).await?;
    Ok(notices.len())
}

fn gauge(event: &BookEvent, view: &LineView, figures: Figures) {
    let id = event.settings.id.to_string();
    let waiting = view.seq - view.moved_through - view.gaps.count(view.moved_through, view.seq);
    metrics::gauge!("firstcome_waiting", "event" => id.clone()).set(waiting);
    metrics::gauge!("firstcome_stock_capacity", "event" => id.clone()).set(event.settings.capacity);
    metrics::gauge!("firstcome_seats", "event" => id.clone(), "state" => "free").set(figures.free);
    metrics::gauge!("firstcome_seats", "event" => id.clone(), "state" => "held").set(figures.held);
    metrics::gauge!("firstcome_seats", "event" => id, "state" => "sold").set(figures.sold);
}
