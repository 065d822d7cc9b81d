//! The projector: writes the ledger's settings, figures and outcomes into the queue. It decides nothing.

use domain::{EventId, Millis, Release};
use ledger::{CalledProjection, EventRow, OutcomeProjection};
use queue::{ProjectedOutcome, Projection, QueueSnapshot, SeatFigures};

use super::called;
use super::term::LeaderTerm;
use crate::context::WorkerContext;
use crate::error::Error;

/// The maximum number of outcomes projected in one write.
const BATCH: u32 = 500;
/// How often figures and outcomes are projected, in milliseconds. Admission waits meanwhile: in every round they would
/// cost as much as all the rest of it, and orders that end one by one a write each.
const PERIOD_MS: Millis = 250;

/// Projects what changed, and returns how many outcomes there were. Changed settings are projected at once.
pub(crate) async fn project_changes(
    worker: &WorkerContext,
    term: &mut LeaderTerm,
    event: &EventRow,
    snapshot: &QueueSnapshot,
    now: Millis,
) -> Result<usize, Error> {
    let changed = term.projected.rev != event.rev
        || term.projected.state != Some(event.state)
        || term.projected.judged_epoch != event.judged_epoch;
    let stale = !(0..PERIOD_MS).contains(&(now - term.projected.figures.at));
    if !(stale || changed || term.projected.has_more) {
        return Ok(0);
    }
    let decided = Decided {
        called: called::unprojected(worker, event, snapshot, BATCH).await?,
        outcomes: worker.ledger.unprojected_outcomes(&term.event, snapshot.epoch, BATCH).await?,
    };
    if stale {
        let seats = worker.ledger.seats(&term.event).await?;
        term.projected.figures =
            SeatFigures { sold: seats.sold, free: seats.free, held: seats.held, at: now };
        record_gauges(event, snapshot, term.projected.figures);
    }
    if stale || changed || decided.count() > 0 {
        project(worker, term, event, snapshot, &decided).await?;
        worker.ledger.mark_called_projected(&term.event, snapshot.epoch, &decided.called).await?;
        worker.ledger.mark_projected(&term.event, snapshot.epoch, &decided.outcomes).await?;
    }
    term.projected.has_more = decided.is_full();
    Ok(decided.count())
}

/// What the ledger has decided and the queue does not have yet.
#[derive(Debug, Default)]
struct Decided {
    called: Vec<CalledProjection>,
    outcomes: Vec<OutcomeProjection>,
}

impl Decided {
    fn count(&self) -> usize {
        self.called.len() + self.outcomes.len()
    }

    /// Whether there may be more of it.
    fn is_full(&self) -> bool {
        self.called.len().max(self.outcomes.len()) == BATCH as usize
    }
}

/// Projects settings, limit and figures at once, and nothing that was decided.
pub(crate) async fn project_settings(
    worker: &WorkerContext,
    term: &mut LeaderTerm,
    event: &EventRow,
    snapshot: &QueueSnapshot,
) -> Result<(), Error> {
    project(worker, term, event, snapshot, &Decided::default()).await
}

async fn project(
    worker: &WorkerContext,
    term: &mut LeaderTerm,
    event: &EventRow,
    snapshot: &QueueSnapshot,
    decided: &Decided,
) -> Result<(), Error> {
    let called = decided.called.iter().map(|row| (row.number, row.window)).collect();
    let outcomes = decided
        .outcomes
        .iter()
        .map(|row| (row.number, ProjectedOutcome { outcome: row.outcome, order_no: row.order_no.clone() }))
        .collect();
    let projection = Projection {
        rev: event.rev,
        settings: event.settings.clone(),
        state: event.state,
        number_limit: term.projected.number_limit.max(event.number_limit).max(snapshot.number_limit),
        round: term.round,
        figures: term.projected.figures,
        settled_seq: event.settled_seq,
        judged_epoch: event.judged_epoch,
        lost_epoch: event.lost_epoch,
        called,
        outcomes,
    };
    worker.queue.project(&term.event, term.fence.0, projection).await?;
    term.projected.rev = event.rev;
    term.projected.state = Some(event.state);
    term.projected.judged_epoch = event.judged_epoch;
    Ok(())
}

fn record_gauges(event: &EventRow, snapshot: &QueueSnapshot, figures: SeatFigures) {
    let id = event.settings.id.to_string();
    metrics::gauge!("firstcome_waiting", "event" => id.clone()).set(snapshot.waiting);
    metrics::gauge!("firstcome_pace_calls_per_second", "event" => id.clone()).set(calls_per_second(event));
    metrics::gauge!("firstcome_seats_capacity", "event" => id.clone()).set(event.settings.capacity);
    metrics::gauge!("firstcome_seats", "event" => id.clone(), "state" => "free").set(figures.free);
    metrics::gauge!("firstcome_seats", "event" => id.clone(), "state" => "held").set(figures.held);
    metrics::gauge!("firstcome_seats", "event" => id, "state" => "sold").set(figures.sold);
}

/// Ends the figures of an event that this process leads no more. Of several processes, only the leader has any.
pub(crate) fn clear_gauges(event: &EventId) {
    let id = event.to_string();
    for name in [
        "firstcome_waiting",
        "firstcome_oldest_wait_seconds",
        "firstcome_pace_calls_per_second",
        "firstcome_seats_capacity",
        "firstcome_skipped_numbers",
    ] {
        metrics::gauge!(name, "event" => id.clone()).set(f64::NAN);
    }
    for state in ["free", "held", "sold"] {
        metrics::gauge!("firstcome_seats", "event" => id.clone(), "state" => state).set(f64::NAN);
    }
}

/// The pace as a number of calls per second; zero while the release does not run.
fn calls_per_second(event: &EventRow) -> f64 {
    if event.settings.release != Release::Running {
        return 0.0;
    }
    event.settings.pace.to_string().parse().unwrap_or(0.0)
}
