//! What every request passes through, whatever its handler: limits, a guard against panics, security headers and metrics.

use std::any::Any;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use futures_util::future::Either;
use hyper::body::{Body as _, Incoming};
use tokio::time::Instant;

use super::body::{BodyError, BodyErrorSlot, LAG_MAX, LimitedBody, SentBody, drain};
use super::handler::{Handler, HandlerResponse, Route};
use super::limits::Limits;
use super::metrics::{GaugeGuard, HttpMetrics};
use super::rate::MinimumRate;
use super::record::{PendingRecord, SentResponse};
use super::security_headers::complete;
use super::timeouts::RequestGuard;
use super::tls::Tls;
use crate::problem::Problem;
use crate::tasks::{Tasks, panic_message};

/// The handler of a listener with its limits.
pub(super) struct HttpServer<H> {
    handler: H,
    pub(super) limits: Limits,
    /// `None` for plain text.
    pub(super) tls: Option<Tls>,
    metrics: HttpMetrics,
    tasks: Tasks,
}

/// Responds to the requests of one connection.
pub(super) struct ConnectionService<H: Handler> {
    server: Arc<HttpServer<H>>,
    peer: SocketAddr,
    connection: H::Connection,
}

impl<H: Handler> ConnectionService<H> {
    pub(super) fn new(server: Arc<HttpServer<H>>, peer: SocketAddr) -> Self {
        Self { connection: server.handler.connect(peer), server, peer }
    }

    pub(super) fn respond(
        &self,
        request: hyper::Request<Incoming>,
        in_flight: RequestGuard,
    ) -> impl Future<Output = hyper::Response<SentBody>> + Send {
        self.server.respond(request, self, in_flight)
    }
}

impl<H: Handler> HttpServer<H> {
    pub(super) fn new(handler: H, limits: Limits, tls: Option<Tls>, tasks: Tasks) -> Self {
        Self { handler, limits, tls, metrics: HttpMetrics::new(), tasks }
    }

    /// Counts a connection while the guard exists.
    pub(super) fn count_connection(&self) -> GaugeGuard {
        self.metrics.count_connection()
    }

    // Not an `async fn`: its state would hold the request once more at each step, and with a crowd of requests that state is out
    // of the CPU's cache whenever it is polled.
    fn respond(
        &self,
        request: hyper::Request<Incoming>,
        connection: &ConnectionService<H>,
        in_flight: RequestGuard,
    ) -> impl Future<Output = hyper::Response<SentBody>> + Send {
        let info = RequestInfo {
            begun: Instant::now(),
            active: self.metrics.count_request(),
            method: request.method().clone(),
            is_http1: request.version() < Version::HTTP_2,
            is_chunked: request.headers().contains_key(header::TRANSFER_ENCODING),
            peer: connection.peer,
        };
        let responding = if let Some(problem) = self.refusal(&request) {
            // Boxed: it is rare, and large.
            Either::Left(Box::pin(refuse(problem, request)).map(without_route))
        } else {
            let (request, body_error) = self.limit_body(request, &in_flight);
            Either::Right(self.handle(request, body_error, &connection.connection))
        };
        responding.map(move |response| self.finish(info, response, in_flight, &connection.connection))
    }

    /// Adds headers to a response and records it.
    fn finish(
        &self,
        info: RequestInfo,
        response: HandlerResponse,
        in_flight: RequestGuard,
        connection: &H::Connection,
    ) -> hyper::Response<SentBody> {
        let HandlerResponse { mut response, route, as_is, record } = response;
        if !as_is {
            complete(&mut response);
        }
        if info.is_http1 && self.tasks.is_draining() {
            // The client's next connection leads to another process.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if info.is_chunked {
            // hyper hides a Content-Length beside Transfer-Encoding. The connection is closed then (RFC 9112 6.3), so that
            // smuggled bytes behind such a request are never read as the next request.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let status = response.status();
        let took = info.begun.elapsed();
        let RequestInfo { method, peer, .. } = &info;
        self.metrics.record(method, route.name(), status, took);
        // The route, never the path: a receipt in a path is a secret.
        tracing::debug!(%method, route = route.name(), status = status.as_u16(), took_us = took.as_micros(), %peer, "request completed");
        let record = match (record, route) {
            (None, Route::None) => self.handler.record_of_listener(method, connection),
            (record, _) => record,
        };
        // The response to `HEAD` is complete without the body that it describes.
        let is_complete = *method == Method::HEAD;
        let pending = |record| PendingRecord { record, sent: SentResponse { status, bytes: 0, is_complete } };
        response.map(|body| SentBody::new(body, in_flight, info.active, record.map(pending)))
    }

    /// The problem of a request that is refused before its body is read.
    fn refusal(&self, request: &hyper::Request<Incoming>) -> Option<Problem> {
        let limits = &self.limits;
        let uri = request.uri().path_and_query().map_or(0, |uri| uri.as_str().len());
        if uri > limits.uri_max {
            let title = format!("The address is longer than {} bytes", limits.uri_max);
            return Some(Problem::new(StatusCode::URI_TOO_LONG, "uri-too-long", title));
        }
        if request.headers().len() > limits.headers_max {
            let title = format!("There are more than {} header lines", limits.headers_max);
            return Some(Problem::new(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "too-many-headers",
                title,
            ));
        }
        if !names_one_host(request) {
            let title = "A request must name one host";
            return Some(Problem::new(StatusCode::BAD_REQUEST, "no-host", title));
        }
        if !limits.encoded_bodies && is_encoded(request.headers()) {
            let title = "A request body must not be compressed";
            return Some(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoded-body", title));
        }
        (request.body().size_hint().lower() > limits.body_max).then(|| self.problem(BodyError::TooLarge))
    }

    fn problem(&self, error: BodyError) -> Problem {
        match error {
            BodyError::TooLarge => {
                let title = format!("The request body is larger than {} bytes", self.limits.body_max);
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", title)
            }
            BodyError::TooSlow => {
                let title = "The request body did not arrive in time";
                Problem::new(StatusCode::REQUEST_TIMEOUT, "body-too-slow", title)
            }
        }
    }

    /// Passes the request to the handler.
    fn handle(
        &self,
        request: Request,
        body_error: Option<Arc<BodyErrorSlot>>,
        connection: &H::Connection,
    ) -> impl Future<Output = HandlerResponse> + Send {
        let handling = AssertUnwindSafe(self.handler.handle(request, connection)).catch_unwind();
        handling.map(move |handled| {
            let handled = handled.unwrap_or_else(|panic| after_panic(panic.as_ref()));
            match body_error.and_then(|slot| slot.get()) {
                // A proxy may respond before it has read the request. Such a response stands.
                Some(error) if !handled.response.status().is_success() => {
                    HandlerResponse { response: closing(self.problem(error)), as_is: false, ..handled }
                }
                _ => handled,
            }
        })
    }

    /// The request with its limits on the body, if it has one, and the slot for the body's error.
    fn limit_body(
        &self,
        request: hyper::Request<Incoming>,
        in_flight: &RequestGuard,
    ) -> (Request, Option<Arc<BodyErrorSlot>>) {
        if request.body().is_end_stream() {
            return (request.map(|_| Body::empty()), None);
        }
        let slot = Arc::new(BodyErrorSlot::default());
        let rate_min = self.limits.body_rate_min;
        let limited = |body| LimitedBody {
            body,
            bytes_left: self.limits.body_max,
            deadline: Instant::now() + self.limits.body_read_timeout,
            rate: (rate_min > 0).then(|| MinimumRate::new(rate_min, LAG_MAX)),
            timer: None,
            error: Arc::clone(&slot),
            _in_flight: in_flight.clone(),
        };
        let request = request.map(|body| Body::new(limited(body)));
        (request, Some(slot))
    }
}

/// What is kept of a request until its response.
struct RequestInfo {
    begun: Instant,
    active: GaugeGuard,
    method: Method,
    is_http1: bool,
    is_chunked: bool,
    peer: SocketAddr,
}

fn after_panic(panic: &(dyn Any + Send)) -> HandlerResponse {
    tracing::error!("request handler panicked: {}", panic_message(panic));
    ::metrics::counter!("firstcome_http_panics_total").increment(1);
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    without_route(Problem::new(status, "unexpected", "Something went wrong on our side").into_response())
}

fn without_route(response: Response) -> HandlerResponse {
    HandlerResponse { response, route: Route::None, as_is: false, record: None }
}

/// Whether the request names one host. RFC 9112 3.2: one without a host, or with two, must be refused; only HTTP/1.0 needs none.
/// HTTP/2 names it in a pseudo-header (RFC 9113 8.3.1), and a `Host` beside it must be the same.
fn names_one_host(request: &hyper::Request<Incoming>) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let authority = request.uri().authority();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => authority
            .is_none_or(|authority| host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes())),
        (None, None) => request.version() < Version::HTTP_11 || authority.is_some(),
        _ => false,
    }
}

fn is_encoded(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).into_iter();
    encodings.any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Responds to a request that no handler gets.
async fn refuse(problem: Problem, request: hyper::Request<Incoming>) -> Response {
    // A client that sent `Expect` waits with the body, and reading would ask for it.
    if !request.headers().contains_key(header::EXPECT) {
        drain(request.into_body()).await;
    }
    closing(problem)
}

fn closing(problem: Problem) -> Response {
    let mut response = problem.into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
