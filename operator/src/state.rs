//! What all requests share: the ledger, who may come in, and figures that are counted at most once a second. A call of the ledger has
//! a bound, so that a database that answers nothing keeps nobody waiting for ever.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::{EventId, Millis, Now, Rng};
use ledger::{Ledger, LedgerError, LedgerEvent, QueueStatus, Seats};
use service::{AttemptLimiter, Context};

use crate::config::Config;
use crate::error::Error;

/// Counting seats reads all their rows: nobody needs it more often.
const FRESH_MS: Millis = 1000;
/// How often the ledger is looked at.
const LEDGER_CHECK: Duration = Duration::from_secs(5);
/// Longest wait for the ledger when something is read.
const READ_MAX: Duration = Duration::from_secs(10);
/// Longest wait for a change: ten million seats are ten million rows.
const CHANGE_MAX: Duration = Duration::from_mins(2);

/// The operator console at work.
pub struct OperatorState {
    pub(crate) config: Config,
    pub(crate) ledger: Ledger,
    pub(crate) now: Now,
    pub(crate) rng: Rng,
    /// Wrong tokens. A right one is never refused for them: whoever shares an address with a guesser can still work.
    pub(crate) tries: AttemptLimiter,
    counted: Mutex<HashMap<EventId, Counted>>,
}

/// Seats and applications under way, as they were a moment ago.
#[derive(Debug, Clone, Copy)]
struct Counted {
    at: Millis,
    rev: i64,
    figures: Figures,
}

/// What is counted of an event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) seats: Seats,
    pub(crate) ordering: u32,
    pub(crate) parked: u32,
}

impl OperatorState {
    /// An operator API over this ledger.
    pub fn new(config: Config, ledger: Ledger, ctx: &Context) -> Self {
        let (now, rng) = (ctx.now.clone(), ctx.rng.clone());
        Self { config, ledger, now, tries: AttemptLimiter::new(&rng), rng, counted: Mutex::default() }
    }

    /// Looks every few seconds whether the ledger answers; an operator API without its ledger is not ready.
    pub(crate) fn watch_ledger(self: &Arc<Self>, ctx: &Context) {
        let (state, check, tasks) =
            (Arc::clone(self), ctx.health.check("operator-ledger"), ctx.tasks.clone());
        ctx.tasks.spawn("operator ledger check", async move {
            loop {
                match state.read(state.ledger.time()).await {
                    Ok(_) => check.ok(),
                    Err(_) => check.fail("the ledger does not answer"),
                }
                tokio::select! {
                    () = tokio::time::sleep(LEDGER_CHECK) => {}
                    () = tasks.stopping() => return,
                }
            }
        });
    }

    /// Asks the ledger for something to show.
    pub(crate) async fn read<T>(
        &self,
        asked: impl Future<Output = Result<T, LedgerError>>,
    ) -> Result<T, Error> {
        within(READ_MAX, asked).await
    }

    /// Has the ledger change something.
    pub(crate) async fn write<T, E: Into<Error>>(
        &self,
        asked: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Error> {
        within(CHANGE_MAX, asked).await
    }

    /// One event.
    pub(crate) async fn event(&self, event: &EventId) -> Result<LedgerEvent, Error> {
        self.read(self.ledger.event(event)).await
    }

    /// The queue as its leader saw it last.
    pub(crate) async fn queue(&self, event: &EventId) -> Result<Option<QueueStatus>, Error> {
        self.read(self.ledger.queue_status(event)).await
    }

    /// What is counted of an event, at most a second old and never older than its last change.
    pub(crate) async fn figures(&self, event: &LedgerEvent) -> Result<Figures, Error> {
        let (id, now) = (&event.settings.id, (self.now)());
        let known = self.counted.lock().unwrap_or_else(PoisonError::into_inner).get(id).copied();
        if let Some(known) = known.filter(|k| k.rev == event.rev && (0..FRESH_MS).contains(&(now - k.at))) {
            return Ok(known.figures);
        }
        let seats = self.read(self.ledger.seats(id)).await?;
        let (ordering, parked) = self.read(self.ledger.under_way(id)).await?;
        let figures = Figures { seats, ordering, parked };
        let counted = Counted { at: now, rev: event.rev, figures };
        self.counted.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), counted);
        Ok(figures)
    }

    /// Has the figures of an event counted anew when they are next asked for.
    pub(crate) fn forget(&self, event: &EventId) {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner).remove(event);
    }
}

async fn within<T, E: Into<Error>>(
    most: Duration,
    asked: impl Future<Output = Result<T, E>>,
) -> Result<T, Error> {
    let Ok(answered) = tokio::time::timeout(most, asked).await else {
        tracing::warn!(waited = ?most, "the ledger did not answer in time");
        return Err(Error::Unavailable);
    };
    answered.map_err(Into::into)
}
