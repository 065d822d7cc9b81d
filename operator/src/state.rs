//! State shared by all requests: the ledger, the settings, the limiter of wrong tokens and the cached figures. Every ledger call
//! has a time limit, so an unresponsive database delays a request but never holds it for good.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use domain::{EventId, Now, Rng};
use ledger::{EventRow, Ledger, QueueStatus};
use service::{AttemptLimiter, Context};

use crate::config::Config;
use crate::error::Error;
use crate::figures::{EventFigures, FigureCache};

/// The period of the ledger's health check.
const LEDGER_CHECK: Duration = Duration::from_secs(5);
/// Time limit of a read.
const READ_MAX: Duration = Duration::from_secs(10);
/// Time limit of a change: ten million seats are ten million rows.
const CHANGE_MAX: Duration = Duration::from_mins(2);

/// The state of the operator API.
pub struct OperatorState {
    pub(crate) config: Config,
    pub(crate) ledger: Ledger,
    pub(crate) now: Now,
    pub(crate) rng: Rng,
    /// Counts wrong tokens per address. A right token is never refused, even behind the address of a guesser.
    pub(crate) wrong_tokens: AttemptLimiter,
    figures: FigureCache,
}

impl OperatorState {
    /// An operator API over this ledger.
    pub fn new(config: Config, ledger: Ledger, ctx: &Context) -> Self {
        Self {
            config,
            ledger,
            now: Arc::clone(&ctx.now),
            rng: Arc::clone(&ctx.rng),
            wrong_tokens: AttemptLimiter::new(&ctx.rng),
            figures: FigureCache::default(),
        }
    }

    /// Reports every five seconds whether the ledger responds, until the tasks are stopped.
    pub(crate) fn watch_ledger(self: &Arc<Self>, ctx: &Context) {
        let state = Arc::clone(self);
        let check = ctx.health.check("operator-ledger");
        ctx.tasks.every("operator ledger check", LEDGER_CHECK, move || {
            let state = Arc::clone(&state);
            let check = check.clone();
            async move {
                match state.read(state.ledger.time()).await {
                    Ok(_) => check.ok(),
                    Err(_) => check.fail("the ledger does not respond"),
                }
            }
        });
    }

    /// Runs a read of the ledger within its time limit.
    pub(crate) async fn read<T>(
        &self,
        call: impl Future<Output = Result<T, ledger::Error>>,
    ) -> Result<T, Error> {
        within(READ_MAX, call).await
    }

    /// Runs a change of the ledger within its time limit.
    pub(crate) async fn write<T, E: Into<Error>>(
        &self,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Error> {
        within(CHANGE_MAX, call).await
    }

    /// Reads one event.
    pub(crate) async fn event(&self, event: &EventId) -> Result<EventRow, Error> {
        self.read(self.ledger.event(event)).await
    }

    /// Reads the queue's figures as the leader wrote them last.
    pub(crate) async fn queue_status(&self, event: &EventId) -> Result<Option<QueueStatus>, Error> {
        self.read(self.ledger.queue_status(event)).await
    }

    /// Counts the figures of an event. They are at most a second old and never older than the event's last change.
    pub(crate) async fn figures(&self, event: &EventRow) -> Result<EventFigures, Error> {
        let id = &event.settings.id;
        let now = (self.now)();
        if let Some(figures) = self.figures.fresh(id, event.rev, now) {
            return Ok(figures);
        }
        let seats = self.read(self.ledger.seats(id)).await?;
        let open = self.read(self.ledger.open_applications(id)).await?;
        let figures =
            EventFigures { seats, called: open.called, ordering: open.under_way, parked: open.parked };
        self.figures.store(id, event.rev, now, figures);
        Ok(figures)
    }

    /// Makes the next request count the figures of this event anew.
    pub(crate) fn invalidate_figures(&self, event: &EventId) {
        self.figures.invalidate(event);
    }
}

async fn within<T, E: Into<Error>>(
    limit: Duration,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, Error> {
    let Ok(result) = tokio::time::timeout(limit, call).await else {
        tracing::warn!(limit = ?limit, "ledger call timed out");
        return Err(Error::Unavailable);
    };
    result.map_err(Into::into)
}
