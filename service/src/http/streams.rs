//! HTTP/2 connections: many requests at once over one socket, each a task of its own. The bounds are those of HTTP/1.1,
//! and some against what only HTTP/2 allows: streams opened to be reset, and answers that are asked for and never read.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::answer::{Server, Visit};
use super::handler::Handler;
use super::limits::Limits;
use super::wire::{Lull, Progress, Wire};
use crate::Tasks;
use crate::lazy_wake::LazyWake;

/// What an HTTP/2 client sends first (RFC 9113 3.4), as far as nothing else begins so.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";
/// Fewer bytes than this could also begin another request.
const PREFACE_LEAST: usize = 4;

/// Requests at once on one connection.
const STREAMS_MAX: u32 = 100;
/// Streams that were reset before we looked at them; more ends the connection (rapid reset, CVE-2023-44487).
const RESETS_MAX: usize = 20;
/// What waits to be sent, and what is taken before it is read, of one stream.
const STREAM_BUFFER: u32 = 64 * 1024;
/// The same of one connection.
const CONNECTION_BUFFER: u32 = 1024 * 1024;

/// Whether the client speaks HTTP/2. It looks at the first packet without taking it: nobody sends a preface in pieces.
pub(super) async fn begins_with_preface(
    stream: &TcpStream,
    limits: &Limits,
    tasks: &Tasks,
) -> anyhow::Result<bool> {
    let mut first = [0; PREFACE.len()];
    let seen = tokio::select! {
        seen = stream.peek(&mut first) => seen?,
        () = tasks.stopping() => anyhow::bail!("stopped before the first byte"),
        () = tokio::time::sleep(limits.first_byte_timeout) => anyhow::bail!("the client said nothing"),
    };
    Ok(seen >= PREFACE_LEAST && PREFACE.starts_with(&first[..seen]))
}

/// Where the streams of a connection run: none longer than its time, and shutdown waits for all.
#[derive(Clone)]
struct Streams {
    tasks: Tasks,
    most: Duration,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let most = self.most;
        self.tasks.spawn_isolated("http stream", async move {
            // A stream that is dropped is reset.
            let _ = tokio::time::timeout(most, stream).await;
        });
    }
}

/// Serves one connection until it ends or the tasks are stopped.
pub(super) async fn serve<H: Handler>(
    stream: TcpStream,
    peer: SocketAddr,
    server: Arc<Server<H>>,
    tasks: Tasks,
) -> anyhow::Result<()> {
    let progress = Arc::new(Progress::default());
    let wire = Wire::new(stream, Arc::clone(&progress), &server.limits);
    let mut lull = Lull::new(Arc::clone(&progress), &server.limits);
    let http = builder(&server.limits, tasks.clone());
    let visit = Arc::new(Visit::new(server, peer));
    let service = service_fn(move |request| {
        let (visit, turn) = (Arc::clone(&visit), progress.begin());
        async move { Ok::<_, Infallible>(visit.answer(request, turn).await) }
    });
    let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(wire), service));
    let (mut stop, mut told) = (LazyWake::new(tasks.stopping()), false);
    poll_fn(|cx| {
        if !told && stop.poll(cx).is_ready() {
            told = true;
            connection.as_mut().graceful_shutdown();
        }
        match connection.as_mut().poll(cx) {
            Poll::Ready(ended) => Poll::Ready(ended.map_err(anyhow::Error::from)),
            Poll::Pending => lull.poll(cx).map(|()| Err(anyhow::anyhow!("no request for too long"))),
        }
    })
    .await
}

fn builder(limits: &Limits, tasks: Tasks) -> http2::Builder<Streams> {
    let mut http = http2::Builder::new(Streams { tasks, most: limits.stream_timeout });
    let header_bytes = u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX);
    http.timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_header_list_size(header_bytes)
        .initial_stream_window_size(STREAM_BUFFER)
        .initial_connection_window_size(CONNECTION_BUFFER)
        .max_send_buf_size(STREAM_BUFFER as usize)
        // An idle client is asked whether it is still there before its silence counts as such.
        .keep_alive_interval(limits.first_byte_timeout)
        .keep_alive_timeout(limits.write_stall_timeout);
    http
}
