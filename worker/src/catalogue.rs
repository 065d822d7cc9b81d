//! The list of events: publishes it in the queue, and starts a leader and an order dispatcher for each new event.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use domain::EventId;
use parking_lot::Mutex;
use service::health::Check;

use crate::context::WorkerContext;
use crate::error::Error;
use crate::{leader, order_dispatch};

/// How often the ledger is read for new events.
const PERIOD: Duration = Duration::from_millis(500);

/// Starts the task that watches the ledger for events.
pub(crate) fn start(worker: WorkerContext) {
    let check = worker.context.health.check("ledger");
    let started = Arc::new(Mutex::new(BTreeSet::new()));
    worker.context.tasks.clone().every("catalogue", PERIOD, move || {
        let worker = worker.clone();
        let check = check.clone();
        let started = Arc::clone(&started);
        async move { start_new_events(&worker, &check, &started).await }
    });
}

async fn start_new_events(worker: &WorkerContext, check: &Check, started: &Mutex<BTreeSet<EventId>>) {
    match worker.with_timeout(worker.publish_events()).await {
        Ok(events) => {
            for event in events {
                if started.lock().insert(event.clone()) {
                    start_event(worker, event);
                }
            }
            check.ok();
        }
        Err(error @ (Error::Ledger(_) | Error::Timeout(_))) => check.fail(error.to_string()),
        Err(error) => check.warn(error.to_string()),
    }
}

fn start_event(worker: &WorkerContext, event: EventId) {
    let tasks = &worker.context.tasks;
    tasks.spawn("leader", leader::lead(worker.clone(), event.clone()));
    tasks.spawn("order dispatch", order_dispatch::dispatch_orders(worker.clone(), event));
}
