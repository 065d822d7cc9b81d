//! The automatic pace of an event: once a second, the leader judges the order calls that all dispatchers reported, and moves the pace.

use std::ops::Range;

use domain::{Millis, ObservedCalls, PaceSituation, Release};
use ledger::{ActivityRow, CallActivity, EventRow};

use super::auto_pace_term::AutoPaceTerm;
use super::term::LeaderTerm;
use crate::context::WorkerContext;
use crate::error::Error;

/// Moves the pace by one step, if the event's pace is automatic and the order calls ask for it.
pub(crate) async fn adjust(
    worker: &WorkerContext,
    term: &mut LeaderTerm,
    event: &EventRow,
) -> Result<(), Error> {
    let Some(auto) = &event.settings.auto_pace else {
        term.auto_pace = AutoPaceTerm::default();
        return Ok(());
    };
    let now = term.history.reported_at;
    if now == term.auto_pace.judged_at {
        return Ok(());
    }
    term.auto_pace.judged_at = now;
    let from = event.settings.pace;
    let runs = event.settings.release != Release::Paused;
    let situation = PaceSituation { auto: auto.clone(), pace: from, runs };
    let controller = &mut term.auto_pace.controller;
    let Some(window) = controller.window(&situation, now) else { return Ok(()) };
    let seconds = worker.ledger.activity(&term.event, window.start).await?;
    let Some(step) = controller.step(&window, now, |part| observed(&seconds, part)) else { return Ok(()) };
    if worker.ledger.adjust_pace(&term.event, term.fence, auto, from, &step).await? {
        let (to, reason) = (step.to, step.reason);
        tracing::info!(event = %term.event, %from, %to, "pace {from} -> {to}: {reason}");
    }
    Ok(())
}

/// The order calls of all dispatchers that ended in this time.
fn observed(seconds: &[ActivityRow], part: &Range<Millis>) -> ObservedCalls {
    let mut calls = CallActivity::default();
    for second in seconds.iter().filter(|second| part.contains(&second.at)) {
        calls.add(&second.calls);
    }
    ObservedCalls { calls: calls.calls(), unclear: calls.unclear, p95_ms: calls.percentile_ms(95) }
}
