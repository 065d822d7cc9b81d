//! A service behind the gateway: its concurrency limit, its connections and its timeouts. A request that may have been processed is
//! never sent twice.

mod address;
mod concurrency;
mod connection;
mod health;
mod permit;
mod pool;
mod request_body;
mod response_body;
mod timeout;
mod waiting;

use std::io;
use std::sync::Arc;

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
use pool::{AddressUse, Pool};
use request_body::RequestBody;
use response_body::{BodyReader, BodyReaders, BodyTimeouts, BusyConnection, UpstreamBody};
use timeout::{ResponseDeadline, SentFlag};
use waiting::ClassQueues;

/// A service behind the gateway.
pub(crate) struct Upstream {
    /// Its settings.
    pub(crate) config: UpstreamConfig,
    pool: Arc<Pool>,
    concurrency: Arc<ConcurrencyLimit>,
    body_readers: BodyReaders,
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
        Self::over(config, Arc::new(concurrency), meter)
    }

    /// This service with other settings. Requests in flight count for the new limit too, so that the service never gets more than that;
    /// its connections are opened anew.
    pub(crate) fn changed_to(&self, config: &UpstreamConfig) -> Self {
        self.concurrency.set_queue_bounds(config.connections_max, config.order_wait);
        self.concurrency.set_max(config.connections_max, Instant::now());
        Self::over(config, Arc::clone(&self.concurrency), UpstreamMeter::new(&config.name))
    }

    fn over(config: &UpstreamConfig, concurrency: Arc<ConcurrencyLimit>, meter: UpstreamMeter) -> Self {
        Self {
            config: config.clone(),
            pool: Arc::new(Pool::new(config, Arc::clone(&concurrency), meter.connections())),
            concurrency,
            body_readers: BodyReaders::default(),
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

    /// Closes connections past their idle timeout, and updates what depends on the time.
    pub(crate) fn tick(&self) {
        self.pool.tick(Instant::now());
    }

    /// Reads responses ahead whose clients do not read them, so that their connections and permits become free.
    pub(crate) fn read_for_stalled_clients(&self) {
        self.body_readers.read_for_stalled_clients();
    }

    /// Sends the request and returns the response, whose body follows as it arrives.
    pub(crate) async fn exchange(&self, outbound: OutboundRequest) -> Result<Response, RefusalReason> {
        let begun = Instant::now();
        let (head, address) = self.send(outbound.request, outbound.sent, begun).await?;
        self.response(head, address, begun, outbound.permit)
    }

    fn response(
        &self,
        head: ResponseHead,
        mut address: AddressUse,
        begun: Instant,
        permit: Permit,
    ) -> Result<Response, RefusalReason> {
        let ResponseHead { mut response, connection, state } = head;
        let now = Instant::now();
        address.responded(now);
        self.meter.responded(now.duration_since(begun));
        if !is_well_formed(&response) {
            return Err(RefusalReason::UpstreamBroken);
        }
        *response.version_mut() = Version::HTTP_11;
        let timeouts =
            BodyTimeouts { deadline: begun + self.config.exchange_timeout, pause: self.config.pause_timeout };
        let Permit { concurrency, in_flight } = permit;
        let Some(connection) = put_if_free(connection, &address, state, now) else {
            return Ok(response.map(|body| Body::new(UpstreamBody::received(body, in_flight))));
        };
        let busy = BusyConnection { connection, address, permit: concurrency };
        let reader = |body| self.body_readers.add(BodyReader::new(body, busy, timeouts));
        Ok(response.map(|body| Body::new(UpstreamBody::arriving(reader(body), in_flight))))
    }

    /// An unsent request is tried on the next connection; one of which a byte may have been written is never sent again.
    async fn send(
        &self,
        mut request: Box<axum::http::Request<RequestBody>>,
        sent: Option<SentFlag>,
        begun: Instant,
    ) -> Result<(ResponseHead, AddressUse), RefusalReason> {
        let is_read = request.method().is_safe();
        let deadline = begun + self.config.exchange_timeout;
        let connect_deadline = deadline.min(begun + self.config.answer_timeout);
        let mut response_deadline = match sent {
            Some(sent) => ResponseDeadline::after_body(deadline, sent, self.config.answer_timeout),
            None => ResponseDeadline::at(connect_deadline),
        };
        loop {
            let (mut address, connection, is_new) = self.connection(begun, connect_deadline, is_read).await?;
            request = match connection.send(request, &mut response_deadline).await {
                Ok(head) => return Ok((head, address)),
                Err(SendError::Unsent(unsent)) if !is_new => unsent,
                Err(error) => {
                    if is_of_address(&error, is_new) {
                        address.failed(Instant::now());
                    }
                    return Err(reason(&error));
                }
            };
        }
    }

    /// A connection to the least busy address, and whether it is new.
    async fn connection(
        &self,
        begun: Instant,
        deadline: Instant,
        is_read: bool,
    ) -> Result<(AddressUse, Box<UpstreamConnection>, bool), RefusalReason> {
        let chosen = self.pool.choose(begun, is_read);
        let chosen = match chosen.map(|address| (address.take_idle(begun), address)) {
            Some((Some(connection), address)) => return Ok((address, connection, false)),
            Some((None, address)) => Some(address),
            None => None,
        };
        // Boxed, because it is rare and large.
        let connected = Box::pin(self.pool.connect(chosen, deadline, is_read)).await;
        let (address, connection) = connected.map_err(|error| down(&error))?;
        Ok((address, connection, true))
    }
}

/// Returns the connection to the pool if the response is complete, as small ones are with their head.
fn put_if_free(
    connection: Option<Box<UpstreamConnection>>,
    address: &AddressUse,
    state: ConnectionState,
    now: Instant,
) -> Option<Box<UpstreamConnection>> {
    let connection = connection?;
    if state == ConnectionState::Free {
        address.put(connection, now);
        return None;
    }
    Some(connection)
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

/// Whether the error counts against the address. One that is only about to close an idle connection breaks it just as well.
fn is_of_address(error: &SendError, is_new: bool) -> bool {
    match error {
        SendError::TimedOut => true,
        SendError::Unsent(_) => is_new,
        // Otherwise the request's own body failed.
        SendError::Broken(error) => is_new && !error.is_user(),
    }
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use std::time::Duration;

    use super::*;
    use crate::client::ClientKeys;
    use crate::limit::InFlight;

    /// A service with one permit, and the part of the gateway that forwards to it.
    async fn upstream() -> (Upstream, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let config = UpstreamConfig {
            name: "test".into(),
            authorities: vec![address.parse().unwrap()],
            connections_max: 1,
            order_wait: Duration::ZERO,
            connect_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(5),
            pause_timeout: Duration::from_secs(5),
            exchange_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(5),
        };
        (Upstream::new(&config), listener)
    }

    async fn respond(listener: &TcpListener, pieces: &[&[u8]]) -> tokio::net::TcpStream {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_buf(&mut Vec::with_capacity(1000)).await.unwrap();
        for piece in pieces {
            stream.write_all(piece).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stream
    }

    async fn exchange(upstream: &Upstream) -> Response {
        let permit = upstream.acquire(|| RequestClass::Browse).await.unwrap();
        let in_flight =
            Arc::new(InFlight::new(1)).begin(ClientKeys::of([127, 0, 0, 1].into()), 0, 1).unwrap();
        let permit = Permit::new(permit, in_flight);
        let outbound = OutboundRequest::new(Request::new(Body::empty()), BodyStart::default(), None, permit);
        upstream.exchange(outbound).await.unwrap()
    }

    #[tokio::test]
    async fn a_response_that_no_client_reads_frees_its_permit_when_it_has_arrived() {
        let (upstream, listener) = upstream().await;
        let body = "x".repeat(60_000);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        let (first, last) = body.as_bytes().split_at(30_000);
        let pieces = [head.as_bytes(), first, last];
        let (response, stream) = tokio::join!(exchange(&upstream), respond(&listener, &pieces));
        assert!(upstream.concurrency.try_acquire().is_none(), "the response is still under way");
        upstream.read_for_stalled_clients();
        assert!(upstream.concurrency.try_acquire().is_some());
        assert_eq!(response.headers()["content-length"], "60000");
        let received = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        assert!(received == body.as_bytes());
        upstream.read_for_stalled_clients();
        drop(stream);
    }

    #[tokio::test]
    async fn a_long_response_keeps_its_permit_and_is_read_ahead_within_bounds() {
        let (upstream, listener) = upstream().await;
        let body = "y".repeat(1_000_000);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        let pieces = [head.as_bytes(), body.as_bytes()];
        let reading = async {
            let response = exchange(&upstream).await;
            for _ in 0..5 {
                tokio::time::sleep(Duration::from_millis(10)).await;
                upstream.read_for_stalled_clients();
            }
            assert!(upstream.concurrency.try_acquire().is_none());
            axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap()
        };
        let (received, _stream) = tokio::join!(reading, respond(&listener, &pieces));
        assert!(received == body.as_bytes());
        assert!(upstream.concurrency.try_acquire().is_some());
    }

    #[tokio::test]
    async fn a_response_that_breaks_off_delivers_its_pieces_before_the_error() {
        let (upstream, listener) = upstream().await;
        let pieces = [&b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n"[..], b"half"];
        let (response, stream) = tokio::join!(exchange(&upstream), respond(&listener, &pieces));
        drop(stream);
        tokio::time::sleep(Duration::from_millis(20)).await;
        upstream.read_for_stalled_clients();
        assert!(upstream.concurrency.try_acquire().is_some(), "the connection has ended");
        let mut data = response.into_body().into_data_stream();
        let mut next = async || futures_util::StreamExt::next(&mut data).await;
        assert_eq!(next().await.unwrap().unwrap(), "half");
        assert!(next().await.unwrap().is_err());
    }

    #[tokio::test]
    async fn a_request_body_is_sent_from_its_start_on() {
        let (upstream, listener) = upstream().await;
        let permit = upstream.acquire(|| RequestClass::Browse).await.unwrap();
        let in_flight =
            Arc::new(InFlight::new(1)).begin(ClientKeys::of([127, 0, 0, 1].into()), 0, 1).unwrap();
        let rest = Body::from_stream(stream::iter([Ok::<_, Infallible>("rest")]));
        let start = BodyStart { bytes: "start ".into(), is_whole: false };
        let request = axum::http::Request::post("/").body(rest).unwrap();
        let outbound = OutboundRequest::new(request, start, None, Permit::new(permit, in_flight));
        let serving = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            while !bytes.ends_with(b"0\r\n\r\n") {
                assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "the request is incomplete");
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            String::from_utf8(bytes).unwrap()
        };
        let (response, sent) = tokio::join!(upstream.exchange(outbound), serving);
        assert_eq!(response.unwrap().status(), StatusCode::OK);
        assert!(sent.ends_with("6\r\nstart \r\n4\r\nrest\r\n0\r\n\r\n"), "{sent}");
    }
}
