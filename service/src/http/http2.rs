//! HTTP/2 connections: many requests at once over one socket, each in a task. The bounds are those of HTTP/1.1, and some against
//! what only HTTP/2 allows: streams opened to be reset, and responses that are requested and never read.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::handler::Handler;
use super::limits::Limits;
use super::server::{ConnectionService, HttpServer};
use super::socket::{Stream, TimedSocket};
use super::stream::StreamExecutor;
use super::timeouts::{Activity, Http2IdleTimeout};
use crate::lazy::LazyWake;
use crate::tasks::Tasks;

/// The start of the client preface (RFC 9113 3.4); no other request begins with it.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";
/// Fewer bytes than this could also begin another request.
const PREFACE_LEN_MIN: usize = 4;

/// Requests at once on one connection.
const STREAMS_MAX: u32 = 100;
/// Streams reset before the server has looked at them; more close the connection (rapid reset, CVE-2023-44487).
const RESETS_MAX: usize = 20;
/// Bytes of one stream that wait to be sent, and bytes that may arrive before they are read.
const STREAM_BUFFER: u32 = 64 * 1024;
/// The same for one connection.
const CONNECTION_BUFFER: u32 = 1024 * 1024;

/// Whether the client speaks HTTP/2. Peeks at the first packet: no client sends the preface in pieces.
pub(super) async fn begins_with_preface(
    stream: &TcpStream,
    limits: &Limits,
    tasks: &Tasks,
) -> anyhow::Result<bool> {
    let mut first = [0; PREFACE.len()];
    let read = tokio::select! {
        read = stream.peek(&mut first) => read?,
        () = tasks.stopping() => anyhow::bail!("stopped before the first byte"),
        () = tokio::time::sleep(limits.idle_timeout) => anyhow::bail!("idle for too long before the first byte"),
    };
    Ok(read >= PREFACE_LEN_MIN && PREFACE.starts_with(&first[..read]))
}

/// Serves one connection until it ends, a timeout closes it, or the tasks are asked to stop.
pub(super) async fn serve<H: Handler>(
    stream: Stream,
    peer: SocketAddr,
    server: Arc<HttpServer<H>>,
    tasks: Tasks,
) -> anyhow::Result<()> {
    let activity = Arc::new(Activity::default());
    let socket = TimedSocket::new(stream, Arc::clone(&activity), &server.limits);
    let mut idle = Http2IdleTimeout::new(Arc::clone(&activity), &server.limits);
    let http = builder(&server.limits, tasks.clone(), Arc::clone(&activity));
    let connection = Arc::new(ConnectionService::new(server, peer));
    let service = service_fn(move |request| {
        let connection = Arc::clone(&connection);
        let in_flight = activity.begin_request();
        async move { Ok::<_, Infallible>(connection.respond(request, in_flight).await) }
    });
    let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(socket), service));
    // A connection that is opened while the process drains has no other process to go to.
    let is_late = tasks.is_draining();
    let mut stop =
        LazyWake::new(async { if is_late { tasks.stopping().await } else { tasks.draining().await } });
    let mut is_stopping = false;
    poll_fn(|cx| {
        if !is_stopping && stop.poll(cx).is_ready() {
            is_stopping = true;
            connection.as_mut().graceful_shutdown();
        }
        match connection.as_mut().poll(cx) {
            Poll::Ready(ended) => Poll::Ready(ended.map_err(anyhow::Error::from)),
            Poll::Pending => idle.poll(cx).map(|()| Err(anyhow::anyhow!("no request in time"))),
        }
    })
    .await
}

fn builder(limits: &Limits, tasks: Tasks, activity: Arc<Activity>) -> http2::Builder<StreamExecutor> {
    let mut http = http2::Builder::new(StreamExecutor { tasks, limits: Arc::new(limits.clone()), activity });
    let header_bytes = u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX);
    http.timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_header_list_size(header_bytes)
        .initial_stream_window_size(STREAM_BUFFER)
        .initial_connection_window_size(CONNECTION_BUFFER)
        .max_send_buf_size(STREAM_BUFFER as usize)
        // A ping tells an idle client from one that is gone.
        .keep_alive_interval(limits.idle_timeout)
        .keep_alive_timeout(limits.write_stall_timeout);
    http
}
