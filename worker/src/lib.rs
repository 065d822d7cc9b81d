//! The worker: moves people from the queue into the ledger, in order, and makes their orders at the pace. The only part that sees
//! both queue and ledger; it serves no page.

mod admission;
pub mod circuit_breaker;
pub mod config;
mod leader;
mod lifecycle;
mod order_dispatch;
pub mod order_service;
mod projector;
mod queue_status;
mod recover;
mod term;
pub mod verify;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use domain::{EventId, EventSettings, Keyring};
use ledger::Ledger;
use queue::Queue;
use service::Context;
use tokio::sync::Notify;

pub use config::Config;
pub use order_service::OrderService;

/// How often the ledger is asked for events that are new.
const CATALOGUE_EVERY: Duration = Duration::from_millis(500);

/// What every chore of the worker works with.
#[derive(Clone)]
pub struct WorkerContext {
    queue: Queue,
    ledger: Ledger,
    orders: OrderService,
    keys: Arc<Keyring>,
    config: Config,
    context: Context,
    /// Rung when somebody was admitted, so that a maker need not wait for its next look.
    admitted: Arc<Notify>,
}

/// Why a chore's round ended early.
#[derive(Debug, thiserror::Error)]
pub enum ChoreError {
    /// The ledger did not do it.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// The queue refused a leader's write.
    #[error(transparent)]
    Lead(#[from] queue::LeadError),
    /// The queue could not be read.
    #[error(transparent)]
    Queue(#[from] queue::Refused),
    /// A store took the question and stays silent: a network that swallows everything.
    #[error("line or ledger gave no answer within {0:?}")]
    Silent(Duration),
}

/// Starts the worker: writes the configured events into the ledger if they are new, then tends all events of the ledger.
pub async fn start(
    config: Config,
    stores: (Queue, Ledger),
    orders: OrderService,
    keys: Arc<Keyring>,
    events: &[EventSettings],
    context: &Context,
) -> anyhow::Result<()> {
    let (queue, ledger) = stores;
    for settings in events {
        ledger.create_event(settings, "config").await?;
    }
    let admitted = Arc::new(Notify::new());
    let worker = WorkerContext { queue, ledger, orders, keys, config, context: context.clone(), admitted };
    context.tasks.spawn("catalogue", worker.tend_catalogue());
    Ok(())
}

impl WorkerContext {
    /// Tells the queue which events there are, and starts a leader and a maker for each new one.
    async fn tend_catalogue(self) {
        let check = self.context.health.check("ledger");
        let mut tended = BTreeSet::<EventId>::new();
        while !self.context.tasks.is_stopping() {
            match self.in_time(self.publish_events()).await {
                Ok(events) => {
                    for id in events.into_iter().filter(|id| tended.insert(id.clone())) {
                        self.context.tasks.spawn("leader", leader::lead(self.clone(), id.clone()));
                        self.context.tasks.spawn("maker", order_dispatch::dispatch_orders(self.clone(), id));
                    }
                    check.ok();
                }
                Err(error @ (ChoreError::Ledger(_) | ChoreError::Silent(_))) => check.fail(error.to_string()),
                Err(error) => check.warn(error.to_string()),
            }
            self.pause(CATALOGUE_EVERY).await;
        }
    }

    /// All events of the ledger; the queue is told of them if it knows others, or forgot that it was told.
    async fn publish_events(&self) -> Result<Vec<EventId>, ChoreError> {
        let events: Vec<EventId> =
            self.ledger.events().await?.into_iter().map(|event| event.settings.id).collect();
        if self.queue.catalogue().await.ok().is_none_or(|listed| listed != events) {
            self.queue.publish(&events).await?;
        }
        Ok(events)
    }

    /// A step of a chore, given up when the stores stay silent: the driver of the ledger waits for an answer for ever. Every step may
    /// end anywhere and be repeated, so one that is dropped is like one that failed.
    async fn in_time<T, E: Into<ChoreError>>(
        &self,
        step: impl Future<Output = Result<T, E>>,
    ) -> Result<T, ChoreError> {
        let most = self.config.silence_max;
        tokio::time::timeout(most, step).await.map_err(|_| ChoreError::Silent(most))?.map_err(Into::into)
    }

    /// Waits, but not past the request to stop.
    async fn pause(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.context.tasks.stopping() => {}
        }
    }
}
