//! The order dispatchers of one event: lease what is due and paid for, call the order service, record its word. Any number of
//! processes may do so at once; the ledger holds them to one pace.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use data_encoding::BASE64;
use domain::person::Contact;
use domain::{EventId, Kid, Millis};
use ledger::{Call, CallKind, CallResult, OrderResponse};
use tokio::sync::Notify;

use crate::WorkerContext;
use crate::circuit_breaker::CircuitBreaker;

/// A look for due orders at least this often, for those of other workers' moves.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// After the ledger failed.
const RETRY: Duration = Duration::from_millis(500);
/// First and longest wait before an unanswered call is repeated.
const RETRY_MS: (Millis, Millis) = (100, 30_000);

/// What the calls of one event share.
#[derive(Default)]
struct DispatchState {
    circuit_breaker: Mutex<CircuitBreaker>,
    under_way: AtomicU32,
}

/// Makes the event's orders until the process stops; calls under way are finished.
pub(crate) async fn dispatch_orders(worker: WorkerContext, event: EventId) {
    let dispatch = Arc::new(DispatchState::default());
    while !worker.context.tasks.is_stopping() {
        let look = worker.in_time(start_calls(&worker, &dispatch, &event));
        let (looked, admitted) = look_and_listen(&worker.admitted, look).await;
        match looked {
            Ok(wait) => rest(&worker, wait, admitted).await,
            Err(error) => {
                tracing::warn!(%event, %error, "cannot lease orders of event {event}");
                worker.pause(RETRY).await;
            }
        }
    }
}

/// Returns what `look` returns, and a future that ends with the first wake-up since before the look: `notify_waiters` wakes only
/// futures that exist when it is called, and a look that misses somebody may still be under way then.
async fn look_and_listen<T>(
    admitted: &Notify,
    look: impl Future<Output = T>,
) -> (T, impl Future<Output = ()>) {
    let woken = admitted.notified();
    (look.await, woken)
}

/// Waits for the next token or for somebody to be moved.
async fn rest(worker: &WorkerContext, wait: Option<Duration>, admitted: impl Future<Output = ()>) {
    if let Some(for_token) = wait {
        return worker.pause(for_token).await;
    }
    tokio::select! {
        () = admitted => {}
        () = worker.pause(LOOK_EVERY) => {}
    }
}

/// Leases and starts what may be started now; says when the next token comes, if something is due.
async fn start_calls(
    worker: &WorkerContext,
    dispatch: &Arc<DispatchState>,
    event: &EventId,
) -> Result<Option<Duration>, ledger::Error> {
    let now = (worker.context.now)();
    let under_way = dispatch.under_way.load(Ordering::Acquire);
    let wanted = worker.config.calls_max.saturating_sub(under_way);
    let circuit_breaker = *dispatch.circuit_breaker.lock().unwrap_or_else(PoisonError::into_inner);
    let may = circuit_breaker.allows(wanted, under_way, now);
    if may == 0 || !worker.ledger.has_due_call(event, now).await? {
        return Ok(None);
    }
    let leased = worker.ledger.lease_calls(event, may).await?;
    for call in leased.calls {
        dispatch.under_way.fetch_add(1, Ordering::AcqRel);
        let (worker, dispatch) = (worker.clone(), Arc::clone(dispatch));
        worker.context.tasks.clone().spawn("order call", async move {
            make(&worker, &dispatch, &call).await;
            dispatch.under_way.fetch_sub(1, Ordering::AcqRel);
        });
    }
    Ok(leased
        .next_token_in_ms
        .map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(1)).min(LOOK_EVERY)))
}

async fn make(worker: &WorkerContext, dispatch: &DispatchState, call: &Call) {
    let contact = open_contact(worker, call);
    let answer = match worker.orders.call(call, contact.as_ref(), worker.config.call_timeout).await {
        OrderResponse::Unknown { .. } => {
            OrderResponse::Unknown { retry_in_ms: backoff_ms(call.attempts, &worker.context.rng) }
        }
        definite => definite,
    };
    let answered = !matches!(answer, OrderResponse::Unknown { .. });
    {
        let mut circuit_breaker = dispatch.circuit_breaker.lock().unwrap_or_else(PoisonError::into_inner);
        *circuit_breaker = circuit_breaker.after(answered, (worker.context.now)());
    }
    record(worker, call, &answer).await;
}

/// An answer that cannot be recorded is not lost: the lease runs out, and the same key brings the same answer again.
async fn record(worker: &WorkerContext, call: &Call, answer: &OrderResponse) {
    let (guid, event, number) = (call.app_key.guid(), &call.event, call.number.get());
    match worker.in_time(worker.ledger.record_response(call, answer)).await {
        Ok(CallResult::Ended(outcome)) => {
            metrics::counter!("firstcome_orders_total", "event" => event.to_string(), "outcome" => outcome.as_str()).increment(1);
            tracing::info!(target: "business", guid, %event, number, outcome = outcome.as_str(), "number {number} of event {event}: {}", outcome.as_str());
        }
        Ok(CallResult::Parked) => {
            tracing::error!(target: "business", guid, %event, number, attempts = call.attempts, "number {number} of event {event} is parked: the order service never answered; an operator must end it");
        }
        Ok(CallResult::Continues | CallResult::Stale) => {}
        Err(error) => {
            tracing::warn!(guid, %event, number, %error, "the answer for number {number} was not recorded; it is asked for again");
        }
    }
}

/// The contact for the order; an order is made even if it cannot be opened, since the place is what was promised.
fn open_contact(worker: &WorkerContext, call: &Call) -> Option<Contact> {
    if call.kind == CallKind::Delete || call.contact.is_empty() {
        return None;
    }
    let opened = Kid::new(&call.pepper)
        .and_then(|kid| worker.keys.event(&call.event, &kid).ok())
        .zip(BASE64.decode(call.contact.as_bytes()).ok())
        .and_then(|(keys, sealed)| keys.open(&sealed, call.app_key).ok());
    if opened.is_none() {
        tracing::error!(guid = call.app_key.guid(), event = %call.event, "the contact cannot be opened: is key '{}' in the ring?", call.pepper);
    }
    opened
}

/// Doubling from a tenth of a second to half a minute, with up to as much again by chance, so that calls that failed together
/// do not come back together.
fn backoff_ms(attempts: u32, rng: &domain::Rng) -> Millis {
    let base = (RETRY_MS.0 << attempts.saturating_sub(1).min(10)).min(RETRY_MS.1);
    let mut byte = [0];
    rng(&mut byte);
    base + base * Millis::from(byte[0]) / 255
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wake_up_during_the_look_ends_the_rest_after_it() {
        let admitted = Notify::new();
        let ((), woken) = look_and_listen(&admitted, async { admitted.notify_waiters() }).await;
        tokio::time::timeout(Duration::ZERO, woken).await.expect("the wake-up is lost");
        let ((), woken) = look_and_listen(&admitted, async {}).await;
        tokio::time::timeout(Duration::ZERO, woken).await.expect_err("nobody was admitted since");
    }
}
