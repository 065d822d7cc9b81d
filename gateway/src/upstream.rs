//! A service behind the gateway: its concurrency limit, its connections and its timeouts. A request that may have been processed is
//! never sent twice.

mod address;
mod concurrency;
mod connection;
mod permit;
mod pool;
mod request_body;
mod response_body;
mod timeout;
mod waiting;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::uri::PathAndQuery;
use axum::http::{Extensions, HeaderValue, StatusCode, Uri, Version, header};
use axum::response::Response;
use tokio::time::Instant;

use crate::body_start::BodyStart;
use crate::class::RequestClass;
use crate::config::UpstreamConfig;
use crate::error::RefusalReason;
use crate::headers;
use crate::meter::UpstreamMeter;
use concurrency::{ConcurrencyLimit, ConcurrencyPermit, Enqueued};
use connection::{ConnectionState, ResponseHead, SendError, UpstreamConnection};
pub(crate) use permit::Permit;
use pool::Pool;
use request_body::RequestBody;
use response_body::{BodyTimeouts, UpstreamBody};
use timeout::{ResponseDeadline, SentFlag};
use waiting::ClassQueues;

/// A service behind the gateway.
pub(crate) struct Upstream {
    pool: Arc<Pool>,
    concurrency: Arc<ConcurrencyLimit>,
    answer_timeout: Duration,
    pause_timeout: Duration,
    exchange_timeout: Duration,
    /// The `Host` of a request that has none.
    pub(crate) host: HeaderValue,
    meter: UpstreamMeter,
}

/// A request to a service.
pub(crate) struct OutboundRequest {
    /// Boxed, because it is large and moved several times.
    request: Box<axum::http::Request<RequestBody>>,
    sent: Option<SentFlag>,
    permit: Permit,
}

impl OutboundRequest {
    /// The request, for this path or its own. The start of its body has been read.
    pub(crate) fn new(
        request: Request,
        start: BodyStart,
        path: Option<PathAndQuery>,
        permit: Permit,
    ) -> Self {
        let (mut parts, body) = request.into_parts();
        let own = std::mem::take(&mut parts.uri).into_parts().path_and_query;
        parts.uri = path.or(own).map(Uri::from).unwrap_or_default();
        parts.version = Version::HTTP_11;
        parts.extensions = Extensions::new();
        let (body, sent) = RequestBody::new(start, body);
        Self { request: Box::new(axum::http::Request::from_parts(parts, body)), sent, permit }
    }
}

impl Upstream {
    pub(crate) fn new(config: &UpstreamConfig) -> Self {
        let meter = UpstreamMeter::new(&config.name);
        let queues = ClassQueues::new(config.connections_max, config.order_wait);
        let concurrency =
            ConcurrencyLimit::new(config.connections_max, queues, meter.in_flight(), meter.queue());
        Self {
            pool: Arc::new(Pool::new(config, meter.connections())),
            concurrency: Arc::new(concurrency),
            answer_timeout: config.answer_timeout,
            pause_timeout: config.pause_timeout,
            exchange_timeout: config.exchange_timeout,
            host: host(config),
            meter,
        }
    }

    /// A permit for one more request. While the service is at its limit, the request waits in the queue of its class; `None` if it
    /// may not wait, or has waited too long.
    pub(crate) async fn acquire(&self, class: impl FnOnce() -> RequestClass) -> Option<ConcurrencyPermit> {
        if let Some(permit) = self.concurrency.try_acquire() {
            return Some(permit);
        }
        match self.concurrency.enqueue(class(), Instant::now()) {
            Enqueued::Granted(permit) => Some(permit),
            // Boxed, because it is rare and large.
            Enqueued::Queued(queued) => Box::pin(queued.permit()).await,
            Enqueued::Refused => None,
        }
    }

    /// Closes connections past their idle timeout.
    pub(crate) fn close_idle(&self) {
        self.pool.close_idle(Instant::now());
    }

    /// Sends the request and returns the response, whose body follows as it arrives.
    pub(crate) async fn exchange(&self, outbound: OutboundRequest) -> Result<Response, RefusalReason> {
        let begun = Instant::now();
        let head = self.send(outbound.request, outbound.sent, begun).await?;
        self.response(head, begun, outbound.permit)
    }

    fn response(
        &self,
        head: ResponseHead,
        begun: Instant,
        permit: Permit,
    ) -> Result<Response, RefusalReason> {
        let ResponseHead { mut response, connection, state } = head;
        let now = Instant::now();
        self.meter.responded(now.duration_since(begun));
        if !is_well_formed(&response) {
            return Err(RefusalReason::UpstreamBroken);
        }
        *response.version_mut() = Version::HTTP_11;
        let timeouts = BodyTimeouts { deadline: begun + self.exchange_timeout, pause: self.pause_timeout };
        let connection = self.put_if_free(connection, state, now).map(|busy| (busy, Arc::clone(&self.pool)));
        Ok(response.map(|body| Body::new(UpstreamBody::new(body, connection, timeouts, permit))))
    }

    /// Returns the connection to the pool if the response is complete, as small ones are with their head.
    fn put_if_free(
        &self,
        connection: Option<Box<UpstreamConnection>>,
        state: ConnectionState,
        now: Instant,
    ) -> Option<Box<UpstreamConnection>> {
        let connection = connection?;
        if state == ConnectionState::Free {
            self.pool.put(connection, now);
            return None;
        }
        Some(connection)
    }

    /// An unsent request is tried on the next connection; one of which a byte may have been written is never sent again.
    async fn send(
        &self,
        mut request: Box<axum::http::Request<RequestBody>>,
        sent: Option<SentFlag>,
        begun: Instant,
    ) -> Result<ResponseHead, RefusalReason> {
        let deadline = begun + self.exchange_timeout;
        let connect_deadline = deadline.min(begun + self.answer_timeout);
        let mut response_deadline = match sent {
            Some(sent) => ResponseDeadline::after_body(deadline, sent, self.answer_timeout),
            None => ResponseDeadline::at(connect_deadline),
        };
        loop {
            let (connection, is_new) = match self.pool.take(begun) {
                Some(connection) => (connection, false),
                // Boxed, because it is rare and large.
                None => {
                    (Box::pin(self.pool.connect(connect_deadline)).await.map_err(|error| down(&error))?, true)
                }
            };
            request = match connection.send(request, &mut response_deadline).await {
                Ok(head) => return Ok(head),
                Err(SendError::Unsent(unsent)) if !is_new => unsent,
                Err(error) => return Err(reason(&error)),
            };
        }
    }
}

/// The authority of the service's first address.
fn host(config: &UpstreamConfig) -> HeaderValue {
    let authority = config.authorities.first().map_or("", |authority| authority.as_str());
    HeaderValue::from_str(authority).unwrap_or_else(|_| unreachable!("an authority is valid in a header"))
}

/// Whether a response can be returned: no unrequested protocol, one length (RFC 9112 6.3: two are an attack or an error), and no
/// coding besides `chunked`, because the header that names it is not returned.
fn is_well_formed<B>(response: &axum::http::Response<B>) -> bool {
    let headers = response.headers();
    let has_two_lengths =
        headers.contains_key(header::TRANSFER_ENCODING) && headers.contains_key(header::CONTENT_LENGTH);
    response.status() != StatusCode::SWITCHING_PROTOCOLS
        && !has_two_lengths
        && !headers::has_other_coding(headers)
}

fn down(error: &io::Error) -> RefusalReason {
    tracing::debug!(%error, "cannot connect to an upstream");
    RefusalReason::UpstreamDown
}

fn reason(error: &SendError) -> RefusalReason {
    match error {
        SendError::TimedOut => RefusalReason::UpstreamSlow,
        SendError::Unsent(_) => RefusalReason::UpstreamBroken,
        SendError::Broken(error) => {
            tracing::debug!(?error, "no response from an upstream");
            if error.is_user() { RefusalReason::BodyBroken } else { RefusalReason::UpstreamBroken }
        }
    }
}
