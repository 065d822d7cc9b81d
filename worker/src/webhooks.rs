//! Deliveries to webhook endpoints: leased from the ledger, sent, and recorded. Any number of workers may do so at once.

mod attempt;
mod report;
mod sender;

use std::sync::Arc;
use std::time::Duration;

use ledger::{EndpointRow, EndpointState, WebhookDelivery};
use messaging::WebhookClient;
use tokio::sync::Notify;

use crate::context::WorkerContext;
use crate::error::Error;
use sender::Sender;

/// How often due deliveries are looked for.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// The least time between two looks, so that many deliveries that end at once cause one.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a slow request may run on while the process stops.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// Makes deliveries, if the settings have a key for the secrets of endpoints.
pub(crate) fn start(worker: &WorkerContext) -> anyhow::Result<()> {
    report::start(worker);
    let Some(config) = worker.config.messaging.webhook.clone() else { return Ok(()) };
    let client = WebhookClient::new(&config)?;
    let sender = Sender { worker: worker.clone(), config, client, ended: Notify::new() };
    worker.context.tasks.spawn("webhooks", send_all(Arc::new(sender)));
    Ok(())
}

/// Makes deliveries until the process stops.
async fn send_all(sender: Arc<Sender>) {
    let worker = &sender.worker;
    while !worker.is_stopping() {
        if let Err(error) = worker.with_timeout(start_deliveries(&sender)).await {
            tracing::warn!(%error, "failed to lease webhook deliveries; retrying");
        }
        worker.sleep(PAUSE).await;
        tokio::select! {
            () = sender.ended.notified() => {}
            () = worker.sleep(POLL_INTERVAL) => {}
        }
    }
}

/// Leases the deliveries that are due and starts a task for each.
async fn start_deliveries(sender: &Arc<Sender>) -> Result<(), Error> {
    let ledger = &sender.worker.ledger;
    for endpoint in ledger.endpoints().await? {
        if !ledger.has_due_delivery(&endpoint).await? {
            continue;
        }
        for delivery in ledger.lease_deliveries(&endpoint.id, sender.lease_ms()).await? {
            let (sender, endpoint) = (Arc::clone(sender), endpoint.clone());
            sender.worker.context.tasks.clone().spawn_isolated("webhook delivery", async move {
                deliver(&sender, &endpoint, &delivery).await;
                sender.ended.notify_one();
            });
        }
    }
    Ok(())
}

/// Makes an attempt and records it. One that cannot be recorded, or that a stop interrupts, is repeated when its lease ends.
async fn deliver(sender: &Sender, endpoint: &EndpointRow, delivery: &WebhookDelivery) {
    let worker = &sender.worker;
    let interrupted = async {
        worker.context.tasks.stopping().await;
        tokio::time::sleep(STOP_GRACE).await;
    };
    let attempt = tokio::select! {
        attempt = attempt::make(sender, endpoint, delivery) => attempt,
        () = interrupted => return,
    };
    let id = endpoint.id.as_str();
    match worker.with_timeout(worker.ledger.record_attempt(delivery, &attempt)).await {
        Ok(state) => {
            report::count(id, attempt.result);
            if state == Some(EndpointState::Disabled) && endpoint.state == EndpointState::On {
                tracing::error!(
                    endpoint = id,
                    error = attempt.error,
                    "webhook endpoint {id} is disabled: it failed for days or is gone. Its deliveries wait"
                );
            }
        }
        Err(error) => {
            tracing::warn!(endpoint = id, %error, "failed to record a webhook delivery; it is repeated");
        }
    }
}
