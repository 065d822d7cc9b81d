//! The shop's order service over HTTP/1.1: `PUT` and `DELETE /orders/{event}:{key}`, as docs/order-service.md states it.
//! Plain HTTP inside the shop's own network; no redirect is followed, and an answer is read to 64 KiB at most.

use bytes::Bytes;
use domain::person::Contact;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use ledger::{Call, OrderResponse};
use serde::Deserialize;
use serde_json::json;

/// Longest answer that is read.
const BODY_MAX: usize = 64 * 1024;
/// Longest order number that is kept.
const ORDER_NO_MAX: usize = 100;

/// A client of the shop's order service.
#[derive(Debug, Clone)]
pub struct HttpOrders {
    base: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

#[derive(Deserialize)]
struct Made {
    order_no: String,
}

impl HttpOrders {
    /// A client of the order service at this base, `http://orders.internal:8080`.
    pub fn new(base: &str) -> Self {
        // Below the keep-alive of common servers (Node: 5 s), else a reused connection is closed under us (hyper#2136).
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(std::time::Duration::from_secs(3))
            .build_http();
        Self { base: base.trim_end_matches('/').to_owned(), client }
    }

    /// 200 or 201 with an order number is a yes; 409 and 422 as this contract's problem+json are a no; all else is no answer.
    pub(crate) async fn put(&self, call: &Call, contact: Option<&Contact>) -> Result<OrderResponse, String> {
        let body = json!({
            "event": call.event, "number": call.number, "guid": call.app_key.guid(),
            "name": contact.map(|c| c.name.reveal()), "phone": contact.map(|c| c.phone.reveal()),
        });
        let (status, problem, body) = self.send(Method::PUT, call, body.to_string()).await?;
        match status {
            StatusCode::OK | StatusCode::CREATED => order_no(&body).map(OrderResponse::Created),
            StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY if problem => Ok(OrderResponse::Rejected),
            StatusCode::GONE => Ok(OrderResponse::Deleted),
            other => Err(format!("the order service answered {other}")),
        }
    }

    /// 200, 204 and 410 say that there is no order any more and that a later PUT will make none. A 404 may come from a wrong address.
    pub(crate) async fn delete(&self, call: &Call) -> Result<OrderResponse, String> {
        let (status, ..) = self.send(Method::DELETE, call, String::new()).await?;
        match status {
            StatusCode::OK | StatusCode::NO_CONTENT | StatusCode::GONE => Ok(OrderResponse::Deleted),
            other => Err(format!("the order service answered {other} to a DELETE")),
        }
    }

    async fn send(
        &self,
        method: Method,
        call: &Call,
        body: String,
    ) -> Result<(StatusCode, bool, Bytes), String> {
        let uri = format!("{}/orders/{}:{}", self.base, call.event, call.app_key);
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::CONTENT_TYPE, "application/json")
            .header("guid", call.app_key.guid())
            .header("traceparent", format!("00-{}-{:016x}-01", call.app_key.guid(), call.fence))
            .body(Full::new(Bytes::from(body)))
            .map_err(|e| e.to_string())?;
        let answer = self
            .client
            .request(request)
            .await
            .map_err(|e| format!("the order service cannot be reached: {e}"))?;
        let status = answer.status();
        let kind =
            answer.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let problem = kind.starts_with("application/problem+json");
        let body = Limited::new(answer.into_body(), BODY_MAX).collect().await.map_err(|e| e.to_string())?;
        Ok((status, problem, body.to_bytes()))
    }
}

/// The order number, if it is one that can be shown.
fn order_no(body: &[u8]) -> Result<String, String> {
    // The reason is left out: it would quote the answer into the log, and the answer may quote the person.
    let made: Made =
        serde_json::from_slice(body).map_err(|_| "the order service's yes has no order_no".to_owned())?;
    let fits = (1..=ORDER_NO_MAX).contains(&made.order_no.chars().count())
        && !made.order_no.chars().any(char::is_control);
    if fits { Ok(made.order_no) } else { Err("the order service's order_no cannot be shown".into()) }
}
