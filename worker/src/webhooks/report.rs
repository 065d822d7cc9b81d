//! What operators see of webhook endpoints: the check `webhooks` in `/readyz`, and metrics.

use std::time::Duration;

use domain::Millis;
use ledger::{DeliveryResult, EndpointRow, EndpointState};

use crate::context::WorkerContext;
use crate::error::Error;

const PERIOD: Duration = Duration::from_secs(10);
/// An endpoint that has failed for longer is reported.
const FAILING_MAX: Duration = Duration::from_mins(10);

/// Starts the task that reports.
pub(super) fn start(worker: &WorkerContext) {
    let check = worker.context.health.check("webhooks");
    let worker = worker.clone();
    worker.context.tasks.clone().every("webhook report", PERIOD, move || {
        let (worker, check) = (worker.clone(), check.clone());
        async move {
            match worker.with_timeout(report(&worker)).await {
                Ok(troubles) if troubles.is_empty() => check.ok(),
                Ok(troubles) => check.warn(troubles.join("; ")),
                Err(error) => check.warn(error.to_string()),
            }
        }
    });
}

/// Sets the gauges, and returns what is wrong with which endpoint.
async fn report(worker: &WorkerContext) -> Result<Vec<String>, Error> {
    let now = worker.ledger.time().await?;
    let endpoints = worker.ledger.endpoints().await?;
    let mut troubles = Vec::new();
    if worker.config.messaging.webhook.is_none() && !endpoints.is_empty() {
        let kept = "nothing is delivered to webhook endpoints, and no domain event is deleted: messaging.webhook.key is not set";
        troubles.push(kept.to_owned());
    }
    for endpoint in endpoints {
        let id = &endpoint.id;
        let failing_for = failing_for(&endpoint, now);
        metrics::gauge!("firstcome_webhook_failing_seconds", "endpoint" => id.clone())
            .set(failing_for.as_secs_f64());
        let pending = worker.ledger.count_pending_deliveries(id).await?;
        metrics::gauge!("firstcome_webhook_pending", "endpoint" => id.clone()).set(pending);
        troubles.extend(trouble(&endpoint, failing_for));
    }
    Ok(troubles)
}

fn failing_for(endpoint: &EndpointRow, now: Millis) -> Duration {
    let ms = endpoint.failing_since.map_or(0, |since| now - since);
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

fn trouble(endpoint: &EndpointRow, failing_for: Duration) -> Option<String> {
    let id = &endpoint.id;
    match endpoint.state {
        EndpointState::Disabled => Some(format!("endpoint {id} is disabled")),
        EndpointState::On if failing_for >= FAILING_MAX => {
            Some(format!("endpoint {id} has failed for {} min", failing_for.as_secs() / 60))
        }
        EndpointState::On | EndpointState::Paused => None,
    }
}

/// Counts an attempt.
pub(super) fn count(endpoint: &str, result: DeliveryResult) {
    let result = match result {
        DeliveryResult::Done => "done",
        DeliveryResult::Retry { .. } => "retry",
        DeliveryResult::Dead => "dead",
        DeliveryResult::Gone => "gone",
    };
    metrics::counter!("firstcome_webhook_attempts_total", "endpoint" => endpoint.to_owned(), "result" => result)
        .increment(1);
}
