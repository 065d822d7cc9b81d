//! What all requests share: the book, who may come in, and figures that are counted at most once a second. A call of the book has
//! a bound, so that a database that answers nothing keeps nobody waiting for ever.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::{Chance, EventId, Millis, Now};
use orders::{Book, BookError, BookEvent, LineStatus, Seats};
use service::{Context, Guesses};

use crate::config::Config;
use crate::refusal::Refusal;

/// Counting seats reads all their rows: nobody needs it more often.
const FRESH_MS: Millis = 1000;
/// How often the book is looked at.
const BOOK_CHECK: Duration = Duration::from_secs(5);
/// Longest wait for the book when something is read.
const READ_MAX: Duration = Duration::from_secs(10);
/// Longest wait for a change: ten million seats are ten million rows.
const CHANGE_MAX: Duration = Duration::from_mins(2);

/// The control room at work.
pub struct Room {
    pub(crate) config: Config,
    pub(crate) book: Book,
    pub(crate) now: Now,
    pub(crate) chance: Chance,
    /// Wrong tokens. A right one is never refused for them: whoever shares an address with a guesser can still work.
    pub(crate) tries: Guesses,
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

impl Room {
    /// A room over this book.
    pub fn new(config: Config, book: Book, ctx: &Context) -> Self {
        let (now, chance) = (ctx.now.clone(), ctx.chance.clone());
        Self { config, book, now, tries: Guesses::new(&chance), chance, counted: Mutex::default() }
    }

    /// Looks every few seconds whether the book answers; a room without its book is not ready.
    pub(crate) fn watch_book(self: &Arc<Self>, ctx: &Context) {
        let (room, check, tasks) = (Arc::clone(self), ctx.health.check("room-book"), ctx.tasks.clone());
        ctx.tasks.spawn("room book check", async move {
            loop {
                match room.read(room.book.time()).await {
                    Ok(_) => check.ok(),
                    Err(_) => check.fail("the book does not answer"),
                }
                tokio::select! {
                    () = tokio::time::sleep(BOOK_CHECK) => {}
                    () = tasks.stopping() => return,
                }
            }
        });
    }

    /// Asks the book for something to show.
    pub(crate) async fn read<T>(
        &self,
        asked: impl Future<Output = Result<T, BookError>>,
    ) -> Result<T, Refusal> {
        within(READ_MAX, asked).await
    }

    /// Has the book change something.
    pub(crate) async fn write<T, E: Into<Refusal>>(
        &self,
        asked: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Refusal> {
        within(CHANGE_MAX, asked).await
    }

    /// One event.
    pub(crate) async fn event(&self, event: &EventId) -> Result<BookEvent, Refusal> {
        self.read(self.book.event(event)).await
    }

    /// The line as its leader saw it last.
    pub(crate) async fn line(&self, event: &EventId) -> Result<Option<LineStatus>, Refusal> {
        self.read(self.book.line_status(event)).await
    }

    /// What is counted of an event, at most a second old and never older than its last change.
    pub(crate) async fn figures(&self, event: &BookEvent) -> Result<Figures, Refusal> {
        let (id, now) = (&event.settings.id, (self.now)());
        let known = self.counted.lock().unwrap_or_else(PoisonError::into_inner).get(id).copied();
        if let Some(known) = known.filter(|k| k.rev == event.rev && (0..FRESH_MS).contains(&(now - k.at))) {
            return Ok(known.figures);
        }
        let seats = self.read(self.book.seats(id)).await?;
        let (ordering, parked) = self.read(self.book.under_way(id)).await?;
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

async fn within<T, E: Into<Refusal>>(
    most: Duration,
    asked: impl Future<Output = Result<T, E>>,
) -> Result<T, Refusal> {
    let Ok(answered) = tokio::time::timeout(most, asked).await else {
        tracing::warn!(waited = ?most, "the book did not answer in time");
        return Err(Refusal::Unavailable);
    };
    answered.map_err(Into::into)
}
