//! Listening and accepting connections.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::either::Either;

use super::connection_count::ConnectionCounts;
use super::handler::{Handler, RouterHandler};
use super::limits::{HEADER_BYTES_MIN, Limits};
use super::server::HttpServer;
use super::tls::{Tls, TlsFiles};
use super::{http1, http2, tls};
use crate::context::Context;
use crate::tasks::Tasks;

/// Connections that may wait to be accepted: a crowd arrives within the same second. The kernel caps it at `somaxconn`.
const BACKLOG: u32 = 4096;
/// The first and the longest pause, in milliseconds, after an accept error that only time resolves.
const PAUSE_MS_MIN: u64 = 50;
const PAUSE_MS_MAX: u64 = 1000;

/// A listening socket, and how its connections are secured.
#[derive(Debug)]
pub struct Listener {
    /// The socket.
    pub socket: TcpListener,
    /// The certificate and key of TLS; `None` for plain text.
    pub tls: Option<TlsFiles>,
}

impl From<TcpListener> for Listener {
    /// A listener in plain text.
    fn from(socket: TcpListener) -> Self {
        Self { socket, tls: None }
    }
}

/// Binds a listener with a backlog for a crowd. Needs a runtime. Port 0 takes a free port.
pub fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)?.into_std()
    };
    listen().with_context(|| format!("cannot listen on {address}"))
}

/// Serves the router on the listener until the tasks are asked to stop. Returns the bound address at once.
/// At the stop no more connections are accepted, idle ones are closed, and running requests finish.
pub fn serve(
    listener: impl Into<Listener>,
    router: Router,
    limits: Limits,
    ctx: &Context,
) -> anyhow::Result<SocketAddr> {
    serve_handler(listener, RouterHandler::new(router), limits, ctx)
}

/// Like [`serve`], with one handler for all paths.
pub fn serve_handler<H: Handler>(
    listener: impl Into<Listener>,
    handler: H,
    limits: Limits,
    ctx: &Context,
) -> anyhow::Result<SocketAddr> {
    anyhow::ensure!(
        limits.header_bytes_max >= HEADER_BYTES_MIN,
        "header_bytes_max must be at least {HEADER_BYTES_MIN}"
    );
    let Listener { socket, tls } = listener.into();
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?;
    let listener = tokio::net::TcpListener::from_std(socket)?;
    let tls = tls.map(|files| Tls::start(files, limits.http2, ctx)).transpose()?;
    let server = Arc::new(HttpServer::new(handler, limits, tls, ctx.tasks.clone()));
    ctx.tasks.spawn("http accept", accept_all(listener, server, ctx.tasks.clone()));
    tracing::info!(%address, "listening on {address}");
    Ok(address)
}

async fn accept_all<H: Handler>(listener: tokio::net::TcpListener, server: Arc<HttpServer<H>>, tasks: Tasks) {
    let permits = Arc::new(Semaphore::new(server.limits.connections_max.min(Semaphore::MAX_PERMITS)));
    let counts = Arc::new(ConnectionCounts::default());
    let mut pause = None;
    loop {
        let accepted = tokio::select! {
            biased;
            () = tasks.stopping() => return,
            accepted = accept(&listener, &permits, pause) => accepted,
        };
        match accepted {
            Ok(accepted) => {
                pause = None;
                start_connection(accepted, &server, &counts, &tasks);
            }
            Err(error) => {
                pause = next_pause(pause, &error);
                tracing::warn!(%error, pause_ms = pause.map_or(0, as_ms), "failed to accept a connection; trying again");
                ::metrics::counter!("firstcome_http_accept_errors_total").increment(1);
            }
        }
    }
}

struct AcceptedConnection {
    stream: TcpStream,
    peer: SocketAddr,
    permit: OwnedSemaphorePermit,
}

/// Takes a permit before the connection: at the limit the crowd waits in the kernel's queue, not in our memory.
async fn accept(
    listener: &tokio::net::TcpListener,
    permits: &Arc<Semaphore>,
    pause: Option<Duration>,
) -> io::Result<AcceptedConnection> {
    if let Some(pause) = pause {
        tokio::time::sleep(pause).await;
    }
    let permit = Arc::clone(permits).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok(AcceptedConnection { stream, peer, permit })
}

/// Serves an accepted connection in a task, or closes it if its client holds too many.
fn start_connection<H: Handler>(
    AcceptedConnection { stream, peer, permit }: AcceptedConnection,
    server: &Arc<HttpServer<H>>,
    counts: &Arc<ConnectionCounts>,
    tasks: &Tasks,
) {
    let Some(counted) = counts.open(peer.ip(), &server.limits) else {
        ::metrics::counter!("firstcome_http_connections_refused_total").increment(1);
        return;
    };
    let server = Arc::clone(server);
    let connection_tasks = tasks.clone();
    tasks.spawn_isolated("http connection", async move {
        serve_connection(stream, peer, server, connection_tasks).await;
        drop((permit, counted));
    });
}

/// The pause before the next accept. An error of one client needs none; running out of files or memory does.
fn next_pause(last: Option<Duration>, error: &io::Error) -> Option<Duration> {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted) {
        return None;
    }
    let next = last.map_or(PAUSE_MS_MIN, |last| (as_ms(last) * 2).min(PAUSE_MS_MAX));
    Some(Duration::from_millis(next))
}

fn as_ms(pause: Duration) -> u64 {
    u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)
}

async fn serve_connection<H: Handler>(
    stream: TcpStream,
    peer: SocketAddr,
    server: Arc<HttpServer<H>>,
    tasks: Tasks,
) {
    let _open = server.count_connection();
    // Responses are small and written whole: waiting to fill a packet only delays them. A closed socket may refuse the option.
    let _ = stream.set_nodelay(true);
    if let Err(error) = serve_either(stream, peer, server, tasks).await {
        tracing::debug!(%peer, %error, "connection closed early");
    }
}

async fn serve_either<H: Handler>(
    stream: TcpStream,
    peer: SocketAddr,
    server: Arc<HttpServer<H>>,
    tasks: Tasks,
) -> anyhow::Result<()> {
    let (stream, is_http2) = match &server.tls {
        None => {
            let limits = &server.limits;
            let is_http2 = limits.http2 && http2::begins_with_preface(&stream, limits, &tasks).await?;
            (Either::Left(stream), is_http2)
        }
        Some(tls) => {
            // Boxed: the state of a handshake is large, and is not needed for the rest of the connection.
            let stream = Box::pin(tls.handshake(stream, &server.limits, &tasks)).await?;
            let is_http2 = stream.get_ref().1.alpn_protocol() == Some(tls::HTTP_2);
            (Either::Right(Box::new(stream)), is_http2)
        }
    };
    if is_http2 {
        http2::serve(stream, peer, server, tasks).await
    } else {
        http1::serve(stream, peer, server, tasks).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_after_accept_errors_doubles_up_to_a_second() {
        let too_many_files = io::Error::from_raw_os_error(24);
        let mut pause = None;
        let pauses: Vec<u64> = (0..7)
            .map(|_| {
                pause = next_pause(pause, &too_many_files);
                as_ms(pause.unwrap())
            })
            .collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1000, 1000]);
        assert_eq!(next_pause(pause, &io::ErrorKind::ConnectionAborted.into()), None);
    }
}
