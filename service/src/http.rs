//! The HTTP server of every listener: own accept loop over hyper, because every wait and every size here has a bound.
//! What one request goes through is in `answer`, the waits of one connection in `wire`.

mod answer;
mod body;
mod forwarded;
mod handler;
mod limits;
mod meter;
mod network;
mod peers;
mod streams;
mod wire;

use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::lazy_wake::LazyWake;
use crate::{Context, Tasks};
use answer::{Server, Visit};
use peers::Peers;
use wire::{Progress, Watch, Wire};

pub use answer::make_safe;
pub use forwarded::asked_from;
pub use handler::{Answer, Handler, Route, Routed};
pub use limits::Limits;
pub use meter::RouteName;
pub use network::{BadNetwork, Network, client_of};

/// Connections that may wait to be accepted: a crowd arrives within the same second. The kernel's `somaxconn` caps it.
const BACKLOG: u32 = 4096;
/// The first and the longest pause after an accept error that time must heal.
const PAUSE_MS: (u64, u64) = (50, 1000);

/// Binds a listener fit for a crowd; needs a runtime. Port 0 takes a free one.
pub fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)?.into_std()
    };
    listen().with_context(|| format!("cannot listen on {address}"))
}

/// Serves the router on the listener until the tasks are asked to stop; returns the bound address at once.
/// Then no connection is accepted any more, idle ones are closed, and running requests finish.
pub fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    ctx: &Context,
) -> anyhow::Result<SocketAddr> {
    serve_by(listener, Routed::new(router), limits, ctx)
}

/// The same, where one handler answers whatever the path is.
pub fn serve_by<H: Handler>(
    listener: TcpListener,
    handler: H,
    limits: Limits,
    ctx: &Context,
) -> anyhow::Result<SocketAddr> {
    anyhow::ensure!(
        limits.header_bytes_max >= limits::HEADER_BYTES_MIN,
        "header_bytes_max is at least {}",
        limits::HEADER_BYTES_MIN
    );
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let server = Arc::new(Server::new(handler, limits));
    ctx.tasks.spawn("http accept", accept_all(listener, server, ctx.tasks.clone()));
    tracing::info!(%address, "listening on {address}");
    Ok(address)
}

async fn accept_all<H: Handler>(listener: tokio::net::TcpListener, server: Arc<Server<H>>, tasks: Tasks) {
    let places = Arc::new(Semaphore::new(server.limits.connections_max.min(Semaphore::MAX_PERMITS)));
    let peers = Arc::new(Peers::default());
    let mut pause = None;
    loop {
        let accepted = tokio::select! {
            biased;
            () = tasks.stopping() => return,
            accepted = accept(&listener, &places, pause) => accepted,
        };
        match accepted {
            Ok((stream, peer, place)) => {
                pause = None;
                let Some(entered) = peers.enter(peer.ip(), &server.limits) else {
                    metrics::counter!("firstcome_http_connections_refused_total").increment(1);
                    continue;
                };
                let (server, within) = (Arc::clone(&server), tasks.clone());
                let connection = async move {
                    let _held = (place, entered);
                    serve_one(stream, peer, server, within).await;
                };
                tasks.spawn_isolated("http connection", connection);
            }
            Err(error) => {
                pause = next_pause(pause, &error);
                tracing::warn!(%error, pause_ms = pause.map_or(0, as_ms), "a connection could not be accepted");
                metrics::counter!("firstcome_http_accept_errors_total").increment(1);
            }
        }
    }
}

/// Takes a place before the connection: at the cap the crowd waits in the kernel's queue, not in our memory.
async fn accept(
    listener: &tokio::net::TcpListener,
    places: &Arc<Semaphore>,
    pause: Option<Duration>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    if let Some(pause) = pause {
        tokio::time::sleep(pause).await;
    }
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}

/// A client that went away while it waited needs no pause; running out of files or memory does.
fn next_pause(last: Option<Duration>, error: &io::Error) -> Option<Duration> {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted) {
        return None;
    }
    let next = last.map_or(PAUSE_MS.0, |last| (as_ms(last) * 2).min(PAUSE_MS.1));
    Some(Duration::from_millis(next))
}

fn as_ms(pause: Duration) -> u64 {
    u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)
}

async fn serve_one<H: Handler>(stream: TcpStream, peer: SocketAddr, server: Arc<Server<H>>, tasks: Tasks) {
    let _open = server.open();
    // Answers are small and whole: waiting to fill a packet only delays them. A socket that is already gone may refuse.
    let _ = stream.set_nodelay(true);
    let ended = if server.limits.http2 {
        serve_either(stream, peer, server, tasks).await
    } else {
        serve_in_turn(stream, peer, server, tasks).await
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "connection ended early");
    }
}

async fn serve_either<H: Handler>(
    stream: TcpStream,
    peer: SocketAddr,
    server: Arc<Server<H>>,
    tasks: Tasks,
) -> anyhow::Result<()> {
    if streams::begins_with_preface(&stream, &server.limits, &tasks).await? {
        streams::serve(stream, peer, server, tasks).await
    } else {
        serve_in_turn(stream, peer, server, tasks).await
    }
}

/// HTTP/1.1: one request after the other.
async fn serve_in_turn<H: Handler>(
    stream: TcpStream,
    peer: SocketAddr,
    server: Arc<Server<H>>,
    tasks: Tasks,
) -> anyhow::Result<()> {
    let progress = Arc::new(Progress::default());
    let wire = Wire::new(stream, Arc::clone(&progress), &server.limits);
    let mut watch = Watch::new(Arc::clone(&progress), &server.limits);
    let mut http = hyper::server::conn::http1::Builder::new();
    // `Watch` times the headers.
    http.header_read_timeout(None);
    http.max_buf_size(server.limits.header_bytes_max).max_header_size(server.limits.header_bytes_max);
    let visit = Arc::new(Visit::new(server, peer));
    let service = service_fn(move |request| {
        let (visit, turn) = (Arc::clone(&visit), progress.begin());
        async move { Ok::<_, std::convert::Infallible>(visit.answer(request, turn).await) }
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
            Poll::Pending => {
                watch.poll(cx).map(|()| Err(anyhow::anyhow!("the client was silent for too long")))
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accept_loop_out_of_files_waits_longer_each_time_up_to_a_second() {
        let too_many_files = io::Error::from_raw_os_error(24);
        let mut pause = None;
        let waits: Vec<u64> = (0..7)
            .map(|_| {
                pause = next_pause(pause, &too_many_files);
                as_ms(pause.unwrap())
            })
            .collect();
        assert_eq!(waits, [50, 100, 200, 400, 800, 1000, 1000]);
        assert_eq!(next_pause(pause, &io::ErrorKind::ConnectionAborted.into()), None);
    }
}
