//! What every task of the worker shares: the stores, the order service, settings, and the time limit of a step.

use std::sync::Arc;
use std::time::Duration;

use domain::{EventId, Keyring};
use ledger::Ledger;
use queue::Queue;
use service::Context;
use tokio::sync::Notify;

use crate::config::Config;
use crate::error::Error;
use crate::order_service::OrderService;

/// The shared parts of a worker. A clone refers to the same parts.
#[derive(Clone)]
pub(crate) struct WorkerContext {
    pub(crate) queue: Queue,
    pub(crate) ledger: Ledger,
    pub(crate) order_service: OrderService,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) config: Config,
    pub(crate) context: Context,
    /// Wakes the order dispatchers when orders may be due, so that they need not wait for their next poll.
    pub(crate) orders_due: Arc<Notify>,
}

impl WorkerContext {
    /// Returns all events of the ledger. Publishes them in the queue if its list differs or cannot be read.
    pub(crate) async fn publish_events(&self) -> Result<Vec<EventId>, Error> {
        let events: Vec<EventId> =
            self.ledger.events().await?.into_iter().map(|event| event.settings.id).collect();
        if self.queue.catalogue().await.ok().is_none_or(|listed| listed != events) {
            self.queue.publish(&events).await?;
        }
        Ok(events)
    }

    /// Runs a step, and drops it at the time limit: the ledger's driver has no time limit of its own. A step may end anywhere and is
    /// repeated, so a dropped step is like a failed one.
    pub(crate) async fn with_timeout<T, E: Into<Error>>(
        &self,
        step: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Error> {
        let limit = self.config.store_timeout;
        tokio::time::timeout(limit, step).await.map_err(|_| Error::Timeout(limit))?.map_err(Into::into)
    }

    /// Waits for the time, or until the process is asked to stop.
    pub(crate) async fn sleep(&self, time: Duration) {
        self.context.tasks.sleep(time).await;
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.context.tasks.is_stopping()
    }
}
