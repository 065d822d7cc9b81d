//! The shop's order service over HTTP/1.1: `PUT` and `DELETE /orders/{event}:{key}`, as docs/order-service.md specifies.
//! Calls are plain HTTP inside the shop's own network, and redirects are not followed.

use bytes::Bytes;
use domain::person::Contact;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Method, Request, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use ledger::{Call, OrderResponse};
use serde_json::json;

use super::response::{RESPONSE_BYTES_MAX, classify_delete, classify_put};

/// A client of the shop's order service.
#[derive(Debug, Clone)]
pub struct HttpOrderService {
    base: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

struct Response {
    status: u16,
    content_type: String,
    body: Bytes,
}

impl HttpOrderService {
    /// Creates a client of the order service at this base URL, such as `http://orders.internal:8080`.
    pub fn new(base: &str) -> Self {
        // Shorter than the keep-alive of common servers (Node: 5 s): a reused connection may otherwise close under the request
        // (hyper#2136).
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(std::time::Duration::from_secs(3))
            .build_http();
        Self { base: base.trim_end_matches('/').to_owned(), client }
    }

    /// Makes the order of a call, or finds it made.
    pub(crate) async fn put(&self, call: &Call, contact: Option<&Contact>) -> Result<OrderResponse, String> {
        let body = json!({
            "event": call.event, "number": call.number, "guid": call.app_key.guid(),
            "name": contact.map(|contact| contact.name.reveal()), "phone": contact.map(|contact| contact.phone.reveal()),
        });
        let response = self.send(Method::PUT, call, body.to_string()).await?;
        classify_put(response.status, &response.content_type, &response.body).map_err(|e| e.to_string())
    }

    /// Deletes the order of a call for good.
    pub(crate) async fn delete(&self, call: &Call) -> Result<OrderResponse, String> {
        let response = self.send(Method::DELETE, call, String::new()).await?;
        classify_delete(response.status).map_err(|e| format!("{e} to a DELETE"))
    }

    async fn send(&self, method: Method, call: &Call, body: String) -> Result<Response, String> {
        let uri = format!("{}/orders/{}:{}", self.base, call.event, call.app_key);
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::CONTENT_TYPE, "application/json")
            .header("guid", call.app_key.guid())
            .header("traceparent", format!("00-{}-{:016x}-01", call.app_key.guid(), call.fence))
            .body(Full::new(Bytes::from(body)))
            .map_err(|e| e.to_string())?;
        let response = self
            .client
            .request(request)
            .await
            .map_err(|e| format!("the order service cannot be reached: {e}"))?;
        let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default().to_owned();
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), RESPONSE_BYTES_MAX).collect().await;
        Ok(Response { status, content_type, body: body.map_err(|e| e.to_string())?.to_bytes() })
    }
}
