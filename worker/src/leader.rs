//! One event's leader: takes the lead, then goes round - arm, hear, move, show, settle - until it loses it or the process stops.

use std::time::Duration;

use domain::{EventId, EventState, Fence, Millis};
use orders::{BookError, BookEvent};
use queue::{LeadError, LineView, Refused};
use service::health::Check;

use crate::term::Term;
use crate::{ChoreError, Floor, glance, mover, recover, relay, steward};

/// Between rounds that found work.
const BUSY: Duration = Duration::from_millis(10);
/// Between rounds that found none.
const IDLE: Duration = Duration::from_millis(50);
/// The same for an event that is settled, where only a late cancel may come: a shop has many of those.
const SETTLED: Duration = Duration::from_secs(1);
/// Between tries to take the lead, and after a store failed.
const RETRY: Duration = Duration::from_millis(500);
/// The lead is extended this often even if nothing is written: a third of its lease.
const EXTEND_EVERY_MS: Millis = 1000;

/// Leads the event whenever nobody else does.
pub(crate) async fn lead(floor: Floor, event: EventId) {
    let check = floor.context.health.check("leader");
    while !floor.context.tasks.is_stopping() {
        match floor.in_time(floor.book.lead(&event)).await {
            Ok(Some(lead)) => {
                tracing::info!(%event, fence = lead.fence.0, "leading event {event}");
                check.ok();
                serve_term(&floor, &event, lead.fence, &check).await;
            }
            Ok(None) => check.ok(),
            Err(error) => {
                check.warn(error.to_string());
                tracing::warn!(%event, %error, "cannot take the lead of event {event}");
            }
        }
        floor.pause(RETRY).await;
    }
}

async fn serve_term(floor: &Floor, event: &EventId, fence: Fence, check: &Check) {
    let mut term = Term::new(event.clone(), fence);
    while !floor.context.tasks.is_stopping() {
        match floor.in_time(Box::pin(go_round(floor, &mut term, check))).await {
            Ok(pause) => floor.pause(pause).await,
            Err(ChoreError::Book(BookError::Lost) | ChoreError::Lead(LeadError::Fenced(_))) => {
                tracing::warn!(%event, "another leads event {event} now");
                break;
            }
            // The next round tells it.
            Err(ChoreError::Book(BookError::Frozen(_))) => floor.pause(BUSY).await,
            Err(error) => {
                metrics::counter!("leader_rounds_failed_total", "event" => event.to_string()).increment(1);
                tracing::warn!(%event, %error, "a leader's round of event {event} failed; it is repeated");
                floor.pause(RETRY).await;
            }
        }
    }
    if let Err(error) = floor.in_time(floor.book.step_down(event, fence)).await {
        tracing::debug!(%error, "the lead was not given back; it runs out by itself");
    }
}

/// One round, and how long to pause after it. Every step can be repeated and may fail anywhere between: the next round finds the
/// same truth.
async fn go_round(floor: &Floor, term: &mut Term, check: &Check) -> Result<Duration, ChoreError> {
    let now = (floor.context.now)();
    term.round += 1;
    if now - term.extended_at >= EXTEND_EVERY_MS {
        floor.book.extend(&term.event, term.fence).await?;
        term.extended_at = now;
    }
    let view = armed_view(floor, term, now).await?;
    recover::hold_if_forgot(floor, term).await?;
    // Read after arming, which may have held the release back.
    let event = floor.book.event(&term.event).await?;
    if event.fence != term.fence {
        return Err(BookError::Lost.into());
    }
    tell_health(term, &event, check);
    glance::report(floor, term, &view, now).await?;
    if !term.whole && !recover::fill_gaps(floor, term, &view).await? {
        return Ok(BUSY);
    }
    steward::keep_times(floor, term, &event, &view).await?;
    recover::keep_limit_ahead(floor, term, &view, &event).await?;
    let heard = steward::hear_wishes(floor, term, &event).await?;
    let recovering = now < event.recover_until;
    let mut moved = 0;
    if event.state < EventState::Settled && !recovering {
        moved = mover::move_head(floor, term, &event, &view).await?;
    }
    if !recovering {
        steward::move_state_on(floor, term, &event, &view).await?;
    }
    let told = relay::tell(floor, term, &event, &view, now).await?;
    Ok(match event.state {
        _ if heard > 0 || moved > 0 || told > 0 => BUSY,
        EventState::Settled => SETTLED,
        _ => IDLE,
    })
}

/// A frozen event stays frozen over restarts, so it is told as long as it is.
fn tell_health(term: &mut Term, event: &BookEvent, check: &Check) {
    if let Some(why) = &event.frozen {
        let told = format!("event {} is frozen, nobody is moved: {why}", term.event);
        if !term.frozen {
            tracing::error!(event = %term.event, "{told}");
        }
        check.warn(told);
    } else if term.frozen {
        check.ok();
    }
    term.frozen = event.frozen.is_some();
}

/// The line as it is, armed: a line that was restarted is armed first.
async fn armed_view(floor: &Floor, term: &mut Term, now: Millis) -> Result<LineView, ChoreError> {
    match floor.line.view(&term.event).await {
        Ok(view) if view.armed => return Ok(view),
        Ok(view) => glance::report(floor, term, &view, now).await?,
        Err(Refused::NotArmed | Refused::UnknownEvent) => {}
        Err(error) => return Err(error.into()),
    }
    (term.whole, term.filled) = (false, 0);
    recover::arm(floor, term).await?;
    Ok(floor.line.view(&term.event).await?)
}
