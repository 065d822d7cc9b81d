//! Calls of an order service, made as the worker makes them, and the explanation of unexpected responses.

use std::error::Error;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use domain::{AppKey, EventId};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Method, Request, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use worker::order_service::{RESPONSE_BYTES_MAX, UnclearResponse, classify_delete, classify_put, is_problem};

/// Makes the calls.
pub(super) struct Caller {
    base: String,
    /// The event of all calls.
    pub(super) event: EventId,
    /// How long a call may take.
    pub(super) timeout: Duration,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// A whole response.
#[derive(Debug, Clone)]
pub(super) struct ServiceResponse {
    /// The status code.
    pub(super) status: u16,
    kind: String,
    location: String,
    body: Bytes,
}

/// A response outside the contract, and how to fix it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unexpected {
    /// The response.
    pub(super) what: String,
    /// How to fix it.
    pub(super) fix: String,
    /// How far the call got.
    pub(super) reach: Reach,
}

/// How far a call got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// There was a response.
    Answered,
    /// The request may have arrived; its outcome is unknown.
    Unknown,
    /// The request was not sent.
    Never,
}

/// The response to a `PUT`, as the worker classifies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PutResponse {
    /// An order, with its number.
    Accepted(String),
    /// A rejection by the contract.
    Rejected(u16),
    /// 410.
    Deleted,
    /// A response outside the contract.
    Unexpected(Unexpected),
}

impl Unexpected {
    fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what: what.into(), fix: fix.into(), reach: Reach::Answered }
    }

    fn silence(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { reach: Reach::Unknown, ..Self::new(what, fix) }
    }
}

impl Caller {
    /// A caller of the service at this base.
    pub(super) fn new(base: &str, event: EventId, timeout: Duration) -> Self {
        // Below the keep-alive of common servers, as in the worker.
        let client =
            Client::builder(TokioExecutor::new()).pool_idle_timeout(Duration::from_secs(3)).build_http();
        Self { base: base.to_owned(), event, timeout, client }
    }

    /// Requests an order.
    pub(super) async fn put(&self, key: AppKey, number: u32) -> PutResponse {
        self.put_for(key, number, json!("닥터"), json!("+821000000000")).await
    }

    /// Requests an order without name and phone number, as after a loss of the queue.
    pub(super) async fn put_unknown(&self, key: AppKey, number: u32) -> PutResponse {
        self.put_for(key, number, Value::Null, Value::Null).await
    }

    async fn put_for(&self, key: AppKey, number: u32, name: Value, phone: Value) -> PutResponse {
        let body = json!({ "event": self.event, "number": number, "guid": key.guid(), "name": name, "phone": phone });
        match self.put_body(key, body.to_string()).await {
            Ok(response) => self.classify(&response),
            Err(unexpected) => PutResponse::Unexpected(unexpected),
        }
    }

    /// Puts any body.
    pub(super) async fn put_body(&self, key: AppKey, body: String) -> Result<ServiceResponse, Unexpected> {
        self.send(Method::PUT, key, body).await
    }

    /// Takes an order back; the status, if it means that.
    pub(super) async fn delete(&self, key: AppKey) -> Result<u16, Unexpected> {
        let response = self.send(Method::DELETE, key, String::new()).await?;
        match classify_delete(response.status) {
            Ok(_) => Ok(response.status),
            Err(UnclearResponse::Status(404)) => Err(Unexpected::new(
                "404 for a DELETE",
                "store a tombstone and respond 204 even if the order never existed: a 404 can also come from a wrong address",
            )),
            Err(_) => Err(self.unexpected(&response)),
        }
    }

    fn classify(&self, response: &ServiceResponse) -> PutResponse {
        match classify_put(response.status, &response.kind, &response.body) {
            Ok(ledger::OrderResponse::Created(order_no)) => PutResponse::Accepted(order_no),
            Ok(ledger::OrderResponse::Rejected) => PutResponse::Rejected(response.status),
            Ok(ledger::OrderResponse::Deleted) => PutResponse::Deleted,
            Ok(ledger::OrderResponse::Unknown { .. }) | Err(UnclearResponse::Status(_)) => {
                PutResponse::Unexpected(self.unexpected(response))
            }
            Err(unclear) if response.is_page() => PutResponse::Unexpected(Unexpected {
                what: without_order_number(unclear).to_owned(),
                ..self.unexpected(response)
            }),
            Err(unclear) => PutResponse::Unexpected(Unexpected::new(
                format!("{} {}", response.status, without_order_number(unclear)),
                "respond {\"order_no\": \"...\"}: 1 to 100 characters, none of them a control character (rule 4)",
            )),
        }
    }

    /// The explanation of a response outside the contract.
    fn unexpected(&self, response: &ServiceResponse) -> Unexpected {
        let status = response.status;
        let page = if response.is_page() { " with an HTML page" } else { "" };
        let address = || format!("calls go to {}/orders/{}:<key>", self.base, self.event);
        let fix = match status {
            300..=399 => {
                let what = format!("{status}, a redirect to '{}'", response.location);
                return Unexpected::new(what, "redirects are not followed: use the address that it redirects to");
            }
            401 | 403 | 407 => "the service requires credentials, and Firstcome sends none: allow its machines by network address".into(),
            404 => format!("is the address correct? {}", address()),
            405 => format!("allow PUT and DELETE there: {}", address()),
            409 | 422 => "send a rejection with Content-Type: application/problem+json (rule 3); without it the response counts as a proxy's error page and the call is repeated".into(),
            429 => "exempt Firstcome from the rate limit: its pace is the limit".into(),
            502..=504 => "a proxy in front of the service could not reach it in time".into(),
            500..=599 => "the service failed: look for the GUID in its log. Firstcome keeps the seat and repeats the call".into(),
            200..=299 if !response.is_page() => "respond 200 or 201 once the order exists, not before (rule 4)".into(),
            _ => format!("an HTML page comes from a web server or a proxy: is this the order service? {}", address()),
        };
        Unexpected::new(format!("{status}{page}"), fix)
    }

    async fn send(&self, method: Method, key: AppKey, body: String) -> Result<ServiceResponse, Unexpected> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}/orders/{}:{key}", self.base, self.event))
            .header(header::CONTENT_TYPE, "application/json")
            .header("guid", key.guid())
            .header("traceparent", format!("00-{}-{:016x}-01", key.guid(), 1))
            .body(Full::new(Bytes::from(body)));
        let request =
            request.map_err(|error| Unexpected::silence(error.to_string(), "is the address correct?"))?;
        let response = tokio::time::timeout(self.timeout, self.exchange(request)).await;
        response.unwrap_or_else(|_| {
            let ms = self.timeout.as_millis();
            Err(Unexpected::silence(
                format!("no response within {ms} ms"),
                "is it overloaded, or does a firewall drop the packets? A call that times out (worker.call_timeout) is repeated, and each repeat uses pace",
            ))
        })
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<ServiceResponse, Unexpected> {
        let response = self.client.request(request).await.map_err(|error| self.no_response(&error))?;
        let text = |name| {
            let value = response.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let kind = text(header::CONTENT_TYPE);
        let location = text(header::LOCATION);
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), RESPONSE_BYTES_MAX).collect().await.map_err(|error| {
            Unexpected::silence(
                format!("a response that was cut off: {error}"),
                "send a complete response of at most 64 KiB: an incomplete one counts as none, and the call is repeated",
            )
        })?;
        Ok(ServiceResponse { status, kind, location, body: body.to_bytes() })
    }

    /// The explanation of a call without a response.
    fn no_response(&self, error: &hyper_util::client::legacy::Error) -> Unexpected {
        let reach = if error.is_connect() { Reach::Never } else { Reach::Unknown };
        let base = &self.base;
        let (what, fix) = match (causes(error), kind(error)) {
            (all, _) if all.contains("dns error") => (
                format!("the host name in {base} cannot be resolved here"),
                "is it spelled correctly, and does it resolve on the worker's machine?",
            ),
            (_, Some(io::ErrorKind::ConnectionRefused)) => {
                (format!("connection refused at {base}"), "is the service running, and is the port correct?")
            }
            (_, Some(io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable)) => {
                (format!("{base} is unreachable"), "is it in a network that this machine can reach?")
            }
            (all, _) => (
                format!("no complete response: {all}"),
                "does it speak HTTP/1.1 there, without TLS, and keep the connection until it has answered?",
            ),
        };
        Unexpected { what, fix: fix.into(), reach }
    }
}

/// The error with all its causes; with hyper the last one is the most specific.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// The kind of the operating system's error behind it, if there is one.
fn kind(error: &dyn Error) -> Option<io::ErrorKind> {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        next = cause.source();
    }
    None
}

impl ServiceResponse {
    /// Whether it is the contract's problem+json.
    pub(super) fn is_problem(&self) -> bool {
        is_problem(&self.kind)
    }

    fn is_page(&self) -> bool {
        self.kind.starts_with("text/html")
    }
}

/// The defect in the body of an acceptance.
fn without_order_number(unclear: UnclearResponse) -> &'static str {
    match unclear {
        UnclearResponse::Status(_) | UnclearResponse::NoOrderNumber => "without an order_no",
        UnclearResponse::NotJson => "with a body that is not JSON",
        UnclearResponse::UnfitOrderNumber => "with an order_no that is empty, too long or not printable",
    }
}
