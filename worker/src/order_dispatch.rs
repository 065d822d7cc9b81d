//! The order dispatcher of one event: leases calls that are due and within the pace, calls the order service, records its response.
//! Any number of processes may do so at once; the ledger holds them to one pace.

mod circuit_breaker;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use data_encoding::BASE64;
use domain::person::Contact;
use domain::{EventId, Kid, Millis, Outcome};
use ledger::{Call, CallActivity, CallKind, CallResult, OrderResponse};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::backoff::backoff_ms;
use crate::context::WorkerContext;
use circuit_breaker::CircuitBreaker;

/// How often due calls are polled for at least: admissions by other workers send no wake-up to this one.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// How often the calls are reported for the operator console, in milliseconds.
const REPORT_EVERY_MS: Millis = 1000;
/// Pause after the ledger failed.
const RETRY: Duration = Duration::from_millis(500);
/// The state that the calls of one event share.
#[derive(Default)]
struct DispatchState {
    circuit_breaker: Mutex<CircuitBreaker>,
    in_flight: AtomicU32,
    /// The calls since they were last reported.
    activity: Mutex<CallActivity>,
}

/// Dispatches the event's orders until the process stops. Calls in flight are finished.
pub(crate) async fn dispatch_orders(worker: WorkerContext, event: EventId) {
    let dispatch = Arc::new(DispatchState::default());
    let mut reported_at = (worker.context.now)();
    while !worker.is_stopping() {
        let now = (worker.context.now)();
        if now - reported_at >= REPORT_EVERY_MS {
            report_activity(&worker, &dispatch, &event).await;
            reported_at = now;
        }
        let poll = worker.with_timeout(start_calls(&worker, &dispatch, &event));
        let (started, woken) = poll_and_listen(&worker.orders_due, poll).await;
        match started {
            Ok(next_token) => wait(&worker, next_token, woken).await,
            Err(error) => {
                tracing::warn!(%event, %error, "failed to lease orders of event {event}; retrying");
                worker.sleep(RETRY).await;
            }
        }
    }
}

/// Adds the calls since the last report to those of all dispatchers. They are figures only: a report that fails is not repeated.
async fn report_activity(worker: &WorkerContext, dispatch: &DispatchState, event: &EventId) {
    let activity = std::mem::take(&mut *dispatch.activity.lock());
    if activity == CallActivity::default() {
        return;
    }
    if let Err(error) = worker.with_timeout(worker.ledger.record_calls(event, &activity)).await {
        tracing::debug!(%event, %error, "failed to report the order calls of the last second");
    }
}

/// Returns the output of `poll`, and a future that ends with the first wake-up since before the poll: `notify_waiters` wakes only
/// futures that exist when it is called, and a poll that misses an order may still be running then.
async fn poll_and_listen<T>(
    orders_due: &Notify,
    poll: impl Future<Output = T>,
) -> (T, impl Future<Output = ()>) {
    let woken = orders_due.notified();
    (poll.await, woken)
}

/// Waits for the next token of the pace, or, if no order is due, for a wake-up.
async fn wait(worker: &WorkerContext, next_token: Option<Duration>, woken: impl Future<Output = ()>) {
    if let Some(next_token) = next_token {
        return worker.sleep(next_token).await;
    }
    tokio::select! {
        () = woken => {}
        () = worker.sleep(POLL_INTERVAL) => {}
    }
}

/// Leases and starts the calls that may start now. Returns the time until the next token of the pace, if an order is due.
async fn start_calls(
    worker: &WorkerContext,
    dispatch: &Arc<DispatchState>,
    event: &EventId,
) -> Result<Option<Duration>, ledger::Error> {
    let now = (worker.context.now)();
    let in_flight = dispatch.in_flight.load(Ordering::Acquire);
    let wanted = worker.config.calls_max.saturating_sub(in_flight);
    let circuit_breaker = *dispatch.circuit_breaker.lock();
    let allowed = circuit_breaker.allows(wanted, in_flight, now);
    if allowed == 0 || !worker.ledger.has_due_call(event, now).await? {
        return Ok(None);
    }
    let leased = worker.ledger.lease_calls(event, allowed).await?;
    for call in leased.calls {
        start_call(worker, dispatch, call);
    }
    let next_token = leased.next_token_in_ms.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(1)));
    Ok(next_token.map(|time| time.min(POLL_INTERVAL)))
}

fn start_call(worker: &WorkerContext, dispatch: &Arc<DispatchState>, call: Call) {
    dispatch.in_flight.fetch_add(1, Ordering::AcqRel);
    let worker = worker.clone();
    let dispatch = Arc::clone(dispatch);
    worker.context.tasks.clone().spawn("order call", async move {
        call_order_service(&worker, &dispatch, &call).await;
        dispatch.in_flight.fetch_sub(1, Ordering::AcqRel);
    });
}

async fn call_order_service(worker: &WorkerContext, dispatch: &DispatchState, call: &Call) {
    let contact = open_contact(worker, call);
    let began = (worker.context.now)();
    let response = match worker.order_service.send(call, contact.as_ref(), worker.config.call_timeout).await {
        OrderResponse::Unknown { .. } => {
            OrderResponse::Unknown { retry_in_ms: backoff_ms(call.attempts, &worker.context.rng) }
        }
        definite => definite,
    };
    let is_clear = !matches!(response, OrderResponse::Unknown { .. });
    {
        let mut circuit_breaker = dispatch.circuit_breaker.lock();
        *circuit_breaker = circuit_breaker.after(is_clear, (worker.context.now)());
    }
    let latency_ms = (worker.context.now)() - began;
    record_latency(&call.event, is_clear, latency_ms);
    let result = record(worker, call, &response).await;
    let mut activity = dispatch.activity.lock();
    activity.count_call(latency_ms);
    activity.unclear += u32::from(!is_clear);
    match result {
        Some(CallResult::Ended(Outcome::Ordered)) => activity.ordered += 1,
        Some(CallResult::Ended(Outcome::Rejected)) => activity.rejected += 1,
        Some(CallResult::Ended(_)) => activity.cancelled += 1,
        _ => {}
    }
}

/// Adds a call to the metrics.
fn record_latency(event: &EventId, is_clear: bool, latency_ms: Millis) {
    let clear = if is_clear { "true" } else { "false" };
    let seconds = f64::from(u32::try_from(latency_ms).unwrap_or(0)) / 1000.0;
    metrics::histogram!("firstcome_order_call_duration_seconds", "event" => event.to_string(), "clear" => clear)
        .record(seconds);
}

/// Records a response. One that cannot be recorded is not lost: the lease expires, and the same key brings the same response again.
async fn record(worker: &WorkerContext, call: &Call, response: &OrderResponse) -> Option<CallResult> {
    let guid = call.app_key.guid();
    let event = &call.event;
    let number = call.number.get();
    let result = worker.with_timeout(worker.ledger.record_response(call, response)).await;
    match &result {
        Ok(CallResult::Ended(outcome)) => {
            metrics::counter!("firstcome_orders_total", "event" => event.to_string(), "outcome" => outcome.as_str()).increment(1);
            tracing::info!(target: "business", guid, %event, number, outcome = outcome.as_str(), "number {number} of event {event}: {}", outcome.as_str());
        }
        Ok(CallResult::Parked) => {
            tracing::error!(target: "business", guid, %event, number, attempts = call.attempts, "number {number} of event {event} is parked: no call got a clear response; an operator must end it");
        }
        Ok(CallResult::Continues | CallResult::Stale) => {}
        Err(error) => {
            tracing::warn!(guid, %event, number, %error, "failed to record the response for number {number}; the call is repeated");
        }
    }
    result.ok()
}

/// Opens the contact for the order. The order is made even if the contact cannot be opened, since the seat is what was promised.
fn open_contact(worker: &WorkerContext, call: &Call) -> Option<Contact> {
    if call.kind == CallKind::Delete || call.contact.is_empty() {
        return None;
    }
    let opened = Kid::new(&call.pepper)
        .and_then(|kid| worker.keyring.event(&call.event, &kid).ok())
        .zip(BASE64.decode(call.contact.as_bytes()).ok())
        .and_then(|(keys, sealed)| keys.open(&sealed, call.app_key).ok());
    if opened.is_none() {
        tracing::error!(guid = call.app_key.guid(), event = %call.event, "failed to open the contact: is key '{}' in the key file? The order is made without name and phone", call.pepper);
    }
    opened
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wake_up_during_a_poll_ends_the_wait_after_it() {
        let orders_due = Notify::new();
        let ((), woken) = poll_and_listen(&orders_due, async { orders_due.notify_waiters() }).await;
        tokio::time::timeout(Duration::ZERO, woken).await.expect("the wake-up is lost");
        let ((), woken) = poll_and_listen(&orders_due, async {}).await;
        tokio::time::timeout(Duration::ZERO, woken).await.expect_err("there was no wake-up");
    }
}
