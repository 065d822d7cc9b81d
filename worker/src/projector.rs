//! The relay: shows the ledger's settings, figures and outcomes in the queue, and sends domain events. It decides nothing.

use domain::Millis;
use ledger::{EventRow, OutcomeProjection};
use queue::{Figures, Projection, QueueSnapshot, Shown};

use crate::term::Term;
use crate::{ChoreError, WorkerContext};

/// Outcomes shown in one write.
const SHOW_MAX: u32 = 500;
/// Domain events sent in one round.
const DOMAIN_EVENTS_MAX: u32 = 500;
/// How often figures, outcomes and domain events are told. While they are, nobody is admitted: told in every round, they would cost as
/// much as all the rest of it, and orders that come one by one a write each.
const TELL_EVERY_MS: Millis = 250;

/// Projects what changed, and sends what is unsent; says how many outcomes and domain events went out. Changed settings go at once.
pub(crate) async fn tell(
    worker: &WorkerContext,
    term: &mut Term,
    event: &EventRow,
    view: &QueueSnapshot,
    now: Millis,
) -> Result<usize, ChoreError> {
    let changed = term.told.rev != event.rev || term.told.state != Some(event.state);
    let stale = !(0..TELL_EVERY_MS).contains(&(now - term.told.figures.at));
    if !(stale || changed || term.told.more) {
        return Ok(0);
    }
    let to_show = worker.ledger.unprojected_outcomes(&term.event, view.epoch, SHOW_MAX).await?;
    if stale {
        let seats = worker.ledger.seats(&term.event).await?;
        term.told.figures = Figures { sold: seats.sold, free: seats.free, held: seats.held, at: now };
        gauge(event, view, term.told.figures);
    }
    if stale || changed || !to_show.is_empty() {
        write(worker, term, event, view, &to_show).await?;
        worker.ledger.mark_projected(&term.event, view.epoch, &to_show).await?;
    }
    let sent = publish_domain_events(worker, event).await?;
    term.told.more = to_show.len() == SHOW_MAX as usize || sent == DOMAIN_EVENTS_MAX as usize;
    Ok(to_show.len() + sent)
}

/// Projects settings, limit and figures at once, without outcomes.
pub(crate) async fn project(
    worker: &WorkerContext,
    term: &mut Term,
    event: &EventRow,
    view: &QueueSnapshot,
) -> Result<(), ChoreError> {
    write(worker, term, event, view, &[]).await
}

async fn write(
    worker: &WorkerContext,
    term: &mut Term,
    event: &EventRow,
    view: &QueueSnapshot,
    to_show: &[OutcomeProjection],
) -> Result<(), ChoreError> {
    let outcomes = to_show
        .iter()
        .map(|one| (one.number, Shown { outcome: one.outcome, order_no: one.order_no.clone() }))
        .collect();
    let projection = Projection {
        rev: event.rev,
        settings: event.settings.clone(),
        state: event.state,
        number_limit: term.told.limit.max(event.number_limit).max(view.number_limit),
        round: term.round,
        figures: term.told.figures,
        settled_seq: event.settled_seq,
        outcomes,
    };
    worker.queue.project(&term.event, term.fence.0, projection).await?;
    (term.told.rev, term.told.state) = (event.rev, Some(event.state));
    Ok(())
}

/// Until there are webhooks, a domain event is a queue in the log: one for each, never a personal datum in it.
async fn publish_domain_events(worker: &WorkerContext, event: &EventRow) -> Result<usize, ChoreError> {
    let domain_events = worker.ledger.unsent(&event.settings.id, DOMAIN_EVENTS_MAX).await?;
    for domain_event in &domain_events {
        tracing::info!(target: "domain_event", event = %domain_event.event, kind = %domain_event.kind, payload = %domain_event.payload, "{}", domain_event.kind);
    }
    worker.ledger.mark_sent(&domain_events).await?;
    Ok(domain_events.len())
}

fn gauge(event: &EventRow, view: &QueueSnapshot, figures: Figures) {
    let id = event.settings.id.to_string();
    let waiting = view.seq - view.admitted_through - view.gaps.count(view.admitted_through, view.seq);
    metrics::gauge!("firstcome_waiting", "event" => id.clone()).set(waiting);
    metrics::gauge!("firstcome_seats_capacity", "event" => id.clone()).set(event.settings.capacity);
    metrics::gauge!("firstcome_seats", "event" => id.clone(), "state" => "free").set(figures.free);
    metrics::gauge!("firstcome_seats", "event" => id.clone(), "state" => "held").set(figures.held);
    metrics::gauge!("firstcome_seats", "event" => id, "state" => "sold").set(figures.sold);
}
