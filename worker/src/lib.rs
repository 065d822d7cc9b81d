//! The worker: admits applications from the queue into the ledger, in order, and dispatches their orders at the configured pace.
//! It is the only crate that uses both queue and ledger. It serves no requests.

mod backoff;
mod catalogue;
pub mod config;
mod context;
mod error;
mod leader;
mod numbered;
mod order_dispatch;
pub mod order_service;
mod outbox;
pub mod verify;
mod webhook_fan_out;
mod webhooks;

use std::sync::Arc;

use domain::{EventSettings, Keyring};
use ledger::Ledger;
use queue::Queue;
use service::Context;

use crate::context::WorkerContext;

pub use config::Config;
pub use error::Error;
pub use order_service::OrderService;

/// Starts the worker: creates the configured events in the ledger if they are new, then runs all events of the ledger.
pub async fn start(
    config: Config,
    stores: (Queue, Ledger),
    order_service: OrderService,
    keyring: Arc<Keyring>,
    events: &[EventSettings],
    context: &Context,
) -> anyhow::Result<()> {
    let (queue, ledger) = stores;
    for settings in events {
        ledger.create_event(settings, "config").await?;
    }
    let worker = WorkerContext {
        queue,
        ledger,
        order_service,
        keyring,
        config,
        context: context.clone(),
        orders_due: Arc::default(),
    };
    webhooks::start(&worker)?;
    catalogue::start(worker);
    Ok(())
}
