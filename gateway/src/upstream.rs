//! A service behind the gateway: how many requests it gets at once, how long it may take, and what is done when it does not
//! answer. Nothing waits in line for it, and nothing that may have been carried out is sent twice.

mod address;
mod concurrency;
mod connection;
mod pool;
mod response_body;
mod timeout;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::uri::PathAndQuery;
use axum::http::{Extensions, HeaderValue, StatusCode, Uri, Version, header};
use axum::response::Response;
use tokio::time::Instant;

use crate::config::UpstreamConfig;
use crate::error::Reason;
use crate::limit::InFlightGuard;
use crate::meter::UpstreamMeter;
use concurrency::{ConcurrencyLimit, ConcurrencyPermit};
use connection::{Answered, Failed, State, UpstreamConnection};
use pool::Pool;
use response_body::{Bounds, RequestBody, ResponseBody};
use timeout::{Patience, Through};

/// A service behind the gateway.
pub(crate) struct Upstream {
    pool: Arc<Pool>,
    concurrency: Arc<ConcurrencyLimit>,
    answer_timeout: Duration,
    pause_timeout: Duration,
    exchange_timeout: Duration,
    /// The `Host` for a client that names none.
    pub(crate) host: HeaderValue,
    meter: UpstreamMeter,
}

/// What a request holds until its answer is through.
pub(crate) struct Permit {
    _place: ConcurrencyPermit,
    _turn: InFlightGuard,
}

/// A request on its way to a service.
pub(crate) struct Outbound {
    /// It is passed through several hands, and is large.
    request: Box<axum::http::Request<RequestBody>>,
    through: Option<Through>,
    held: Permit,
}

impl Outbound {
    /// The request, for this path or its own.
    pub(crate) fn new(request: Request, path: Option<PathAndQuery>, held: Permit) -> Self {
        let (mut parts, body) = request.into_parts();
        let own = std::mem::take(&mut parts.uri).into_parts().path_and_query;
        parts.uri = path.or(own).map(Uri::from).unwrap_or_default();
        parts.version = Version::HTTP_11;
        parts.extensions = Extensions::new();
        let (body, through) = RequestBody::new(body);
        Self { request: Box::new(axum::http::Request::from_parts(parts, body)), through, held }
    }
}

impl Upstream {
    pub(crate) fn new(config: &UpstreamConfig) -> Self {
        let meter = UpstreamMeter::new(&config.name);
        Self {
            pool: Arc::new(Pool::new(config, meter.connections())),
            concurrency: Arc::new(ConcurrencyLimit::new(config.connections_max, meter.in_flight())),
            answer_timeout: config.answer_timeout,
            pause_timeout: config.pause_timeout,
            exchange_timeout: config.exchange_timeout,
            host: host(config),
            meter,
        }
    }

    /// A place for one more request; `None` if there is none.
    pub(crate) fn hold(&self, turn: InFlightGuard) -> Option<Permit> {
        Some(Permit { _place: self.concurrency.take()?, _turn: turn })
    }

    /// Closes connections that have been idle for too long.
    pub(crate) fn close_idle(&self) {
        self.pool.forget_old(Instant::now());
    }

    /// Sends the request, and passes the answer on as it comes.
    pub(crate) async fn exchange(&self, outbound: Outbound) -> Result<Response, Reason> {
        let begun = Instant::now();
        let answered = self.send(outbound.request, outbound.through, begun).await?;
        self.response_body(answered, begun, outbound.held)
    }

    fn response_body(&self, answered: Answered, begun: Instant, held: Permit) -> Result<Response, Reason> {
        let Answered { mut answer, connection, state } = answered;
        let now = Instant::now();
        self.meter.answered(now.duration_since(begun));
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            // Nobody asked for it: what follows would be no HTTP.
            return Err(Reason::UpstreamBroken);
        }
        let headers = answer.headers();
        if headers.contains_key(header::TRANSFER_ENCODING) && headers.contains_key(header::CONTENT_LENGTH) {
            // Two lengths: a server that another party tampers with (RFC 9112 6.3). The connection is dropped with it.
            return Err(Reason::UpstreamBroken);
        }
        *answer.version_mut() = Version::HTTP_11;
        let bounds = Bounds { deadline: begun + self.exchange_timeout, pause: self.pause_timeout };
        let connection =
            self.keep_if_free(connection, state, now).map(|connection| (connection, Arc::clone(&self.pool)));
        Ok(answer.map(|body| Body::new(ResponseBody::new(body, connection, bounds, held))))
    }

    /// Small answers are through with their headers.
    fn keep_if_free(
        &self,
        connection: Option<Box<UpstreamConnection>>,
        state: State,
        now: Instant,
    ) -> Option<Box<UpstreamConnection>> {
        let connection = connection?;
        if state == State::Free {
            self.pool.give(connection, now);
            return None;
        }
        Some(connection)
    }

    /// An unsent request goes on to the next connection; one of which a byte may have been written is never sent again.
    async fn send(
        &self,
        mut request: Box<axum::http::Request<RequestBody>>,
        through: Option<Through>,
        begun: Instant,
    ) -> Result<Answered, Reason> {
        let deadline = begun + self.exchange_timeout;
        let mut patience = match through {
            Some(through) => Patience::after_body(deadline, through, self.answer_timeout),
            None => Patience::until(deadline.min(begun + self.answer_timeout)),
        };
        loop {
            let (connection, is_new) = match self.pool.take(begun) {
                Some(connection) => (connection, false),
                // Rare, and large.
                None => (Box::pin(self.pool.connect(deadline)).await.map_err(|error| away(&error))?, true),
            };
            request = match connection.ask(request, &mut patience).await {
                Ok(answered) => return Ok(answered),
                Err(Failed::Unsent(unsent)) if !is_new => unsent,
                Err(failed) => return Err(reason(&failed)),
            };
        }
    }
}

/// The authority of the service's first address.
fn host(config: &UpstreamConfig) -> HeaderValue {
    let authority = config.authorities.first().map_or("", |authority| authority.as_str());
    HeaderValue::from_str(authority).unwrap_or_else(|_| unreachable!("an authority is valid in a header"))
}

fn away(error: &io::Error) -> Reason {
    tracing::debug!(%error, "an upstream cannot be reached");
    Reason::UpstreamDown
}

fn reason(failed: &Failed) -> Reason {
    match failed {
        Failed::Slow => Reason::UpstreamSlow,
        Failed::Unsent(_) => Reason::UpstreamBroken,
        Failed::Broken(error) => {
            tracing::debug!(?error, "an upstream did not answer");
            if error.is_user() { Reason::BodyBroken } else { Reason::UpstreamBroken }
        }
    }
}
