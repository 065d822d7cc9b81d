//! The worker: moves people from the line into the book, in order, and makes their orders at the pace. The only part that sees
//! both line and book; it serves no page.

pub mod breaker;
pub mod config;
mod glance;
mod leader;
mod maker;
mod mover;
pub mod order_service;
mod recover;
mod relay;
mod steward;
mod term;
pub mod verify;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use domain::{EventId, EventSettings, Keyring};
use orders::{Book, BookError};
use queue::Line;
use service::Context;
use tokio::sync::Notify;

pub use config::Config;
pub use order_service::OrderService;

/// How often the book is asked for events that are new.
const CATALOGUE_EVERY: Duration = Duration::from_millis(500);

/// What every chore of the worker works with.
#[derive(Clone)]
pub struct Floor {
    line: Line,
    book: Book,
    orders: OrderService,
    keys: Arc<Keyring>,
    config: Config,
    context: Context,
    /// Rung when somebody was moved, so that a maker need not wait for its next look.
    moved: Arc<Notify>,
}

/// Why a chore's round ended early.
#[derive(Debug, thiserror::Error)]
pub enum ChoreError {
    /// The book did not do it.
    #[error(transparent)]
    Book(#[from] BookError),
    /// The line refused a leader's write.
    #[error(transparent)]
    Lead(#[from] queue::LeadError),
    /// The line could not be read.
    #[error(transparent)]
    Line(#[from] queue::Refused),
    /// A store took the question and stays silent: a network that swallows everything.
    #[error("line or book gave no answer within {0:?}")]
    Silent(Duration),
}

/// Starts the worker: writes the configured events into the book if they are new, then tends all events of the book.
pub async fn start(
    config: Config,
    stores: (Line, Book),
    orders: OrderService,
    keys: Arc<Keyring>,
    events: &[EventSettings],
    context: &Context,
) -> anyhow::Result<()> {
    let (line, book) = stores;
    for settings in events {
        book.create_event(settings, "config").await?;
    }
    let moved = Arc::new(Notify::new());
    let floor = Floor { line, book, orders, keys, config, context: context.clone(), moved };
    context.tasks.spawn("catalogue", floor.tend_catalogue());
    Ok(())
}

impl Floor {
    /// Tells the line which events there are, and starts a leader and a maker for each new one.
    async fn tend_catalogue(self) {
        let check = self.context.health.check("book");
        let mut tended = BTreeSet::<EventId>::new();
        while !self.context.tasks.is_stopping() {
            match self.in_time(self.publish_events()).await {
                Ok(events) => {
                    for id in events.into_iter().filter(|id| tended.insert(id.clone())) {
                        self.context.tasks.spawn("leader", leader::lead(self.clone(), id.clone()));
                        self.context.tasks.spawn("maker", maker::make_orders(self.clone(), id));
                    }
                    check.ok();
                }
                Err(error @ (ChoreError::Book(_) | ChoreError::Silent(_))) => check.fail(error.to_string()),
                Err(error) => check.warn(error.to_string()),
            }
            self.pause(CATALOGUE_EVERY).await;
        }
    }

    /// All events of the book; the line is told of them if it knows others, or forgot that it was told.
    async fn publish_events(&self) -> Result<Vec<EventId>, ChoreError> {
        let events: Vec<EventId> =
            self.book.events().await?.into_iter().map(|event| event.settings.id).collect();
        if self.line.catalogue().await.ok().is_none_or(|listed| listed != events) {
            self.line.publish(&events).await?;
        }
        Ok(events)
    }

    /// A step of a chore, given up when the stores stay silent: the driver of the book waits for an answer for ever. Every step may
    /// end anywhere and be repeated, so one that is dropped is like one that failed.
    async fn in_time<T, E: Into<ChoreError>>(
        &self,
        step: impl Future<Output = Result<T, E>>,
    ) -> Result<T, ChoreError> {
        let most = self.config.silence_max;
        tokio::time::timeout(most, step).await.map_err(|_| ChoreError::Silent(most))?.map_err(Into::into)
    }

    /// Waits, but not past the wish to stop.
    async fn pause(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.context.tasks.stopping() => {}
        }
    }
}
