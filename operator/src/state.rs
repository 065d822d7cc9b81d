//! State shared by all requests: the ledger, the settings, the limiter of wrong tokens and the cached figures. Every ledger call
//! has a time limit, so an unresponsive database delays a request but never holds it for good.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use domain::{EventId, Now, Rng};
use ledger::{EventRow, Ledger, QueueStatus};
use service::tasks::Tasks;
use service::{AttemptLimiter, Context};
use tokio::sync::Semaphore;

use crate::config::Config;
use crate::error::Error;
use crate::figures::{EventFigures, FigureCache};
use crate::live::{self, LiveCache};
use crate::response::{ChangeResponse, EventResponse, LiveResponse};
use crate::session::Sessions;

/// The period of the ledger's health check.
const LEDGER_CHECK: Duration = Duration::from_secs(5);
/// Time limit of a read.
const READ_MAX: Duration = Duration::from_secs(10);
/// Time limit of a change: ten million seats are ten million rows.
const CHANGE_MAX: Duration = Duration::from_mins(2);

/// The most live streams at once: one for each page that is open and visible.
const STREAMS_MAX: usize = 64;

/// The state of the operator API.
pub struct OperatorState {
    pub(crate) config: Config,
    pub(crate) ledger: Ledger,
    pub(crate) now: Now,
    pub(crate) rng: Rng,
    /// Counts wrong tokens per address. A right token is never refused, even behind the address of a guesser.
    pub(crate) wrong_tokens: AttemptLimiter,
    /// The sessions of browsers.
    pub(crate) sessions: Sessions,
    /// One permit for each live stream.
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) tasks: Tasks,
    figures: FigureCache,
    live: LiveCache,
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
            sessions: Sessions::default(),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            tasks: ctx.tasks.clone(),
            figures: FigureCache::default(),
            live: LiveCache::default(),
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

    /// The response of an event that was read from the ledger.
    pub(crate) async fn event_response(&self, event: EventRow) -> Result<EventResponse, Error> {
        let figures = self.figures(&event).await?;
        let queue = self.queue_status(&event.settings.id).await?;
        let missing_journals = match event.journals_missing {
            0 => Vec::new(),
            _ => self.read(self.ledger.missing_journals(&event.settings.id)).await?,
        };
        Ok(EventResponse::new(event, figures, queue, missing_journals, (self.now)()))
    }

    /// The live figures of an event, at most a second old.
    pub(crate) async fn live(&self, event: &EventId) -> Result<Arc<LiveResponse>, Error> {
        self.live.get(event, self.read_live(event)).await
    }

    async fn read_live(&self, id: &EventId) -> Result<LiveResponse, Error> {
        let now = (self.now)();
        let row = self.event(id).await?;
        let settings = row.settings.clone();
        let event = self.event_response(row).await?;
        let rows = self.read(self.ledger.activity(id, live::needed_since(now))).await?;
        let change = self.read(self.ledger.audit(Some(id), None, 1)).await?.pop();
        Ok(live::compose(event, &settings, &rows, change.map(ChangeResponse::from_audit), now))
    }

    /// Makes the next page and the next message of a stream show a change.
    pub(crate) async fn forget_live(&self, event: &EventId) {
        self.live.invalidate(event).await;
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
