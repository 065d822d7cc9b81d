//! HTTP/1.1 connections: one request after the other.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use super::handler::Handler;
use super::server::{ConnectionService, HttpServer};
use super::socket::{Stream, TimedSocket};
use super::timeouts::{Activity, Http1Timeouts};
use crate::lazy::LazyWake;
use crate::tasks::Tasks;

/// Serves one connection until it ends, a timeout closes it, or the tasks are asked to stop.
pub(super) async fn serve<H: Handler>(
    stream: Stream,
    peer: SocketAddr,
    server: Arc<HttpServer<H>>,
    tasks: Tasks,
) -> anyhow::Result<()> {
    let activity = Arc::new(Activity::default());
    let socket = TimedSocket::new(stream, Arc::clone(&activity), &server.limits);
    let mut timeouts = Http1Timeouts::new(Arc::clone(&activity), &server.limits);
    let mut http = http1::Builder::new();
    // `Http1Timeouts` times the headers.
    http.header_read_timeout(None);
    http.max_buf_size(server.limits.header_bytes_max).max_header_size(server.limits.header_bytes_max);
    let connection = Arc::new(ConnectionService::new(server, peer));
    let service = service_fn(move |request| {
        let connection = Arc::clone(&connection);
        let in_flight = activity.begin_request();
        async move { Ok::<_, Infallible>(connection.respond(request, in_flight).await) }
    });
    let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(socket), service));
    let mut stop = LazyWake::new(tasks.stopping());
    let mut is_stopping = false;
    poll_fn(|cx| {
        if !is_stopping && stop.poll(cx).is_ready() {
            is_stopping = true;
            connection.as_mut().graceful_shutdown();
        }
        match connection.as_mut().poll(cx) {
            Poll::Ready(ended) => Poll::Ready(ended.map_err(anyhow::Error::from)),
            Poll::Pending => timeouts.poll(cx).map(|()| Err(anyhow::anyhow!("no whole request in time"))),
        }
    })
    .await
}
