//! What every request goes through, whatever its handler: bounds, a net under panics, safe headers, and being counted.

use std::any::Any;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use futures_util::future::Either;
use hyper::body::{Body as _, Incoming};
use tokio::time::Instant;

use super::Limits;
use super::body::{Bounded, Cut, Note, Outgoing, drain};
use super::handler::{Answer, Handler, Route};
use super::meter::{Active, Meter};
use super::wire::Turn;
use crate::Problem;
use crate::tasks::panic_message;

/// A listener's handler with its bounds.
pub(super) struct Server<H> {
    handler: H,
    pub(super) limits: Limits,
    meter: Meter,
}

/// A connection of a listener.
pub(super) struct Visit<H: Handler> {
    server: Arc<Server<H>>,
    peer: SocketAddr,
    caller: H::Caller,
}

impl<H: Handler> Visit<H> {
    pub(super) fn new(server: Arc<Server<H>>, peer: SocketAddr) -> Self {
        Self { caller: server.handler.meet(peer), server, peer }
    }

    pub(super) fn answer(
        &self,
        request: hyper::Request<Incoming>,
        turn: Turn,
    ) -> impl Future<Output = hyper::Response<Outgoing>> + Send {
        self.server.answer(request, self, turn)
    }
}

impl<H: Handler> Server<H> {
    pub(super) fn new(handler: H, limits: Limits) -> Self {
        Self { handler, limits, meter: Meter::new() }
    }

    /// Counts a connection while it is held.
    pub(super) fn open(&self) -> Active {
        self.meter.open()
    }

    // No `async`: its state would hold the request at each step again, and a crowd's worth of them is cold whenever it is
    // looked at.
    fn answer(
        &self,
        request: hyper::Request<Incoming>,
        visit: &Visit<H>,
        turn: Turn,
    ) -> impl Future<Output = hyper::Response<Outgoing>> + Send {
        let asked = Asked {
            begun: Instant::now(),
            active: self.meter.begin(),
            method: request.method().clone(),
            chunked: request.headers().contains_key(header::TRANSFER_ENCODING),
            peer: visit.peer,
        };
        let answering = if let Some(problem) = self.refusal(&request) {
            // Rare, and large.
            Either::Left(Box::pin(refuse(problem, request)).map(own))
        } else {
            let (request, note) = self.bound(request, &turn);
            Either::Right(self.pass(request, note, &visit.caller))
        };
        answering.map(move |answer| self.close(asked, answer, turn))
    }

    /// Makes an answer safe, and counts it.
    fn close(&self, asked: Asked, answer: Answer, turn: Turn) -> hyper::Response<Outgoing> {
        let Answer { mut response, route, as_is } = answer;
        if !as_is {
            finish(&mut response);
        }
        if asked.chunked {
            // hyper hides a Content-Length beside Transfer-Encoding. RFC 9112 6.3: close then, so that nothing smuggled
            // behind such a request is ever taken for a next one.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let (status, took, route) = (response.status(), asked.begun.elapsed(), route.name());
        self.meter.record(&asked.method, route, status, took);
        let (method, peer) = (&asked.method, asked.peer);
        // The route, never the path: a receipt in a path is a secret.
        tracing::debug!(%method, route, status = status.as_u16(), took_us = took.as_micros(), %peer, "answered");
        response.map(|body| Outgoing { body, _turn: turn, _active: asked.active })
    }

    /// What can be refused before anything of the body is read.
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
        (request.body().size_hint().lower() > limits.body_max).then(|| self.cut(Cut::TooLarge))
    }

    fn cut(&self, cut: Cut) -> Problem {
        match cut {
            Cut::TooLarge => {
                let title = format!("The request body is larger than {} bytes", self.limits.body_max);
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", title)
            }
            Cut::TooSlow => {
                let title = "The request body did not come in time";
                Problem::new(StatusCode::REQUEST_TIMEOUT, "body-too-slow", title)
            }
        }
    }

    /// Hands the request to the handler.
    fn pass(
        &self,
        request: Request,
        note: Option<Arc<Note>>,
        caller: &H::Caller,
    ) -> impl Future<Output = Answer> + Send {
        let answering = AssertUnwindSafe(self.handler.answer(request, caller)).catch_unwind();
        answering.map(move |answered| {
            let answer = answered.unwrap_or_else(|panic| panicked(panic.as_ref()));
            match note.and_then(|note| note.read()) {
                // An answer that was begun before its request was through, as a proxy's may be, is not taken back.
                Some(cut) if !answer.response.status().is_success() => {
                    Answer { response: closing(self.cut(cut)), as_is: false, ..answer }
                }
                _ => answer,
            }
        })
    }

    /// The request with its body, if it has one, held to its bounds; and where that notes that it was cut.
    fn bound(&self, request: hyper::Request<Incoming>, turn: &Turn) -> (Request, Option<Arc<Note>>) {
        if request.body().is_end_stream() {
            return (request.map(|_| Body::empty()), None);
        }
        let note = Arc::new(Note::default());
        let deadline = Instant::now() + self.limits.body_read_timeout;
        let bounds = |body| Bounded {
            body,
            left: self.limits.body_max,
            deadline,
            timer: None,
            note: Arc::clone(&note),
            _turn: turn.clone(),
        };
        let request = request.map(|body| Body::new(bounds(body)));
        (request, Some(note))
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Answer {
    tracing::error!("a handler panicked: {}", panic_message(panic));
    metrics::counter!("firstcome_http_panics_total").increment(1);
    own(unexpected())
}

/// What is remembered of a request until it is answered.
struct Asked {
    begun: Instant,
    active: Active,
    method: Method,
    chunked: bool,
    peer: SocketAddr,
}

/// The server's own answer.
fn own(response: Response) -> Answer {
    Answer { response, route: Route::None, as_is: false }
}

fn unexpected() -> Response {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    Problem::new(status, "unexpected", "Something went wrong on our side").into_response()
}

/// RFC 9112 3.2: a request without a host, or with two, must not be guessed at; only HTTP/1.0 knew none. HTTP/2 names it
/// before the headers (RFC 9113 8.3.1), and one there too must be the same.
fn names_one_host(request: &hyper::Request<Incoming>) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let named = request.uri().authority();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => {
            named.is_none_or(|named| host.as_bytes().eq_ignore_ascii_case(named.as_str().as_bytes()))
        }
        (None, None) => request.version() < Version::HTTP_11 || named.is_some(),
        _ => false,
    }
}

fn is_encoded(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).into_iter();
    encodings.any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Answers a request that no handler sees.
async fn refuse(problem: Problem, request: hyper::Request<Incoming>) -> Response {
    // Whoever asks first whether to send the body has not sent it, and reading would invite it.
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

/// Gives the router's own empty 404 and 405 a body, and every answer the headers that make it safe.
fn finish(response: &mut Response) {
    if let Some(problem) = missing(response) {
        let (parts, body) = problem.into_response().into_parts();
        *response.body_mut() = body;
        response.headers_mut().extend(parts.headers);
        // The router said 0; hyper counts the new body.
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    make_safe(response.headers_mut());
}

/// The headers that make an answer safe, where its maker said nothing else.
pub fn make_safe(headers: &mut HeaderMap) {
    headers.remove(header::SERVER);
    default_to(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    default_to(headers, header::REFERRER_POLICY, "no-referrer");
    default_to(headers, header::CACHE_CONTROL, "no-store");
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        default_to(headers, header::X_FRAME_OPTIONS, "DENY");
        default_to(headers, header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
    }
}

fn default_to(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.entry(name).or_insert(HeaderValue::from_static(value));
}

/// The problem that stands for the router's own empty answer, if it is one.
fn missing(response: &Response) -> Option<Problem> {
    let status = response.status();
    let empty = !response.headers().contains_key(header::CONTENT_TYPE) && response.body().is_end_stream();
    match status {
        StatusCode::NOT_FOUND if empty => Some(Problem::new(status, "not-found", "There is nothing here")),
        StatusCode::METHOD_NOT_ALLOWED if empty => {
            Some(Problem::new(status, "method-not-allowed", "This address does not take that method"))
        }
        _ => None,
    }
}
