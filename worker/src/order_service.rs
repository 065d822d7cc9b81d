//! The order service as the worker calls it: the ledger itself, or the shop's own over HTTP.

use std::time::Duration;

use domain::person::Contact;
use ledger::{Call, CallKind, Ledger, OrderResponse};

mod http;
mod response;

pub use http::HttpOrderService;
pub use response::{RESPONSE_BYTES_MAX, UnclearResponse, classify_delete, classify_put, is_problem};

/// Where orders are made.
#[derive(Debug, Clone)]
pub enum OrderService {
    /// In the ledger.
    Embedded(Ledger),
    /// At the shop's order service.
    Http(HttpOrderService),
}

impl OrderService {
    /// Sends one order call. Every failure is `Unknown`: the order may exist, so the seat is kept and the same key is called again.
    pub(crate) async fn send(
        &self,
        call: &Call,
        contact: Option<&Contact>,
        timeout: Duration,
    ) -> OrderResponse {
        match tokio::time::timeout(timeout, self.send_without_timeout(call, contact)).await {
            // No PUT follows a DELETE of ours, so another client must have deleted this order.
            Ok(Ok(OrderResponse::Deleted)) if call.kind == CallKind::Put => {
                unknown(call, "410 although no DELETE was sent")
            }
            Ok(Ok(response)) => response,
            Ok(Err(reason)) => unknown(call, &reason),
            Err(_) => unknown(call, "no response in time"),
        }
    }

    async fn send_without_timeout(
        &self,
        call: &Call,
        contact: Option<&Contact>,
    ) -> Result<OrderResponse, String> {
        match (self, call.kind) {
            (Self::Embedded(ledger), CallKind::Put) => {
                ledger.put_order(&call.event, call.app_key, call.number).await.map_err(|e| e.to_string())
            }
            (Self::Embedded(ledger), CallKind::Delete) => {
                ledger.delete_order(&call.event, call.app_key).await.map_err(|e| e.to_string())
            }
            (Self::Http(http), CallKind::Put) => http.put(call, contact).await,
            (Self::Http(http), CallKind::Delete) => http.delete(call).await,
        }
    }
}

fn unknown(call: &Call, reason: &str) -> OrderResponse {
    let guid = call.app_key.guid();
    tracing::warn!(guid, event = %call.event, number = call.number.get(), attempts = call.attempts, "order call without a clear response: {reason}; the seat is kept, and the call is repeated or the application parked");
    // The dispatcher sets the time of the next call.
    OrderResponse::Unknown { retry_in_ms: 0 }
}
