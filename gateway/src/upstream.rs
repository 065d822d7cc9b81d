//! A service behind the door: how many requests it gets at once, how long it may take, and what is done when it does not
//! answer. Nothing waits in line for it, and nothing that may have been carried out is sent twice.

mod connect;
mod relay;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::uri::{Authority, PathAndQuery, Scheme};
use axum::http::{Extensions, StatusCode, Uri, Version};
use axum::response::Response;
use hyper::body::{Body as _, Incoming};
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

use crate::config::UpstreamConfig;
use crate::limit::Turn;
use crate::meter::{Counted, UpstreamMeter};
use crate::refusal::Reason;
use connect::Connector;
use relay::{Relayed, Sending};

/// Most bytes of an answer's headers, and of what is read of it at once.
const BUFFER_MAX: usize = 64 * 1024;

/// A service behind the door.
pub(crate) struct Upstream {
    /// It takes an unsent request back from a pooled connection that turns out closed, and sends it over another one; a request
    /// of which a byte may have been written it never sends again.
    client: Client<Connector, Body>,
    authority: Authority,
    places: Arc<Semaphore>,
    answer_timeout: Duration,
    pause_timeout: Duration,
    exchange_timeout: Duration,
    meter: UpstreamMeter,
}

/// What a request holds until its answer is through.
pub(crate) struct Held {
    _place: OwnedSemaphorePermit,
    _turn: Turn,
    _counted: Counted,
}

impl Upstream {
    pub(crate) fn new(config: &UpstreamConfig) -> Self {
        let meter = UpstreamMeter::new(&config.name);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(config.idle_timeout)
            .pool_max_idle_per_host(config.connections_max)
            .http1_max_buf_size(BUFFER_MAX)
            .set_host(false)
            .build(Connector::new(config, meter.connections()));
        Self {
            client,
            authority: config.authority.clone(),
            places: Arc::new(Semaphore::new(config.connections_max)),
            answer_timeout: config.answer_timeout,
            pause_timeout: config.pause_timeout,
            exchange_timeout: config.exchange_timeout,
            meter,
        }
    }

    /// A place for one more request; `None` if there is none.
    pub(crate) fn hold(&self, turn: Turn) -> Option<Held> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Held { _place: place, _turn: turn, _counted: self.meter.begin() })
    }

    /// Sends the request to this path, and passes the answer on as it comes.
    pub(crate) async fn exchange(
        &self,
        mut request: Request,
        path: PathAndQuery,
        held: Held,
    ) -> Result<Response, Reason> {
        let begun = Instant::now();
        *request.uri_mut() = self.address(path);
        *request.version_mut() = Version::HTTP_11;
        *request.extensions_mut() = Extensions::new();
        let deadline = begun + self.exchange_timeout;
        let mut answer = self.send(request, deadline).await?;
        self.meter.answered(begun.elapsed());
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            // Nobody asked for it: what follows would be no HTTP.
            return Err(Reason::UpstreamBroken);
        }
        *answer.version_mut() = Version::HTTP_11;
        let pause = self.pause_timeout;
        Ok(answer.map(|body| Body::new(Relayed::new(body, deadline, pause, held))))
    }

    fn address(&self, path: PathAndQuery) -> Uri {
        let mut parts = axum::http::uri::Parts::default();
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path);
        Uri::from_parts(parts).unwrap_or_else(|_| unreachable!("all three parts are there"))
    }

    async fn send(&self, request: Request, deadline: Instant) -> Result<Response<Incoming>, Reason> {
        if !request.body().is_end_stream() {
            let sending = tokio::time::timeout_at(deadline, self.send_with_body(request));
            return sending.await.unwrap_or(Err(Reason::UpstreamSlow));
        }
        let deadline = deadline.min(Instant::now() + self.answer_timeout);
        let answer = tokio::time::timeout_at(deadline, self.client.request(request)).await;
        answer.map_err(|_| Reason::UpstreamSlow)?.map_err(|error| reason(&error))
    }

    async fn send_with_body(&self, request: Request) -> Result<Response<Incoming>, Reason> {
        // A client's slow body is not the service's slowness: its time begins when the body is through.
        let (through, sent) = oneshot::channel();
        let answer = self.client.request(request.map(|body| Body::new(Sending::new(body, through))));
        tokio::select! {
            answer = answer => answer.map_err(|error| reason(&error)),
            () = async { let _ = sent.await; tokio::time::sleep(self.answer_timeout).await } => {
                Err(Reason::UpstreamSlow)
            }
        }
    }
}

fn reason(error: &Error) -> Reason {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<hyper::Error>());
    tracing::debug!(%error, ?cause, "an upstream did not answer");
    if error.is_connect() {
        Reason::UpstreamDown
    } else if cause.is_some_and(hyper::Error::is_user) {
        Reason::BodyBroken
    } else {
        Reason::UpstreamBroken
    }
}
