//! Connections to a service: made within a time, never more than its number, counted while they are open.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use metrics::Gauge;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::UpstreamConfig;
use crate::meter::Counted;

/// How long after a refused connection the second and last try comes: a service that is started anew is away for a moment.
const AGAIN: Duration = Duration::from_millis(20);

/// Makes connections to one service.
#[derive(Clone)]
pub(super) struct Connector {
    /// Host and port; the name is looked up at each connection, because a service may move.
    address: Arc<str>,
    timeout: Duration,
    /// The pool may try to make one more while another becomes free; it then waits for that one here.
    places: Arc<Semaphore>,
    open: Gauge,
}

impl Connector {
    pub(super) fn new(config: &UpstreamConfig, open: Gauge) -> Self {
        let (host, port) = (config.authority.host(), config.authority.port_u16().unwrap_or(80));
        Self {
            address: format!("{host}:{port}").into(),
            timeout: config.connect_timeout,
            places: Arc::new(Semaphore::new(config.connections_max)),
            open,
        }
    }

    async fn connect(self) -> io::Result<TokioIo<Socket>> {
        let connecting = async {
            let place = self.places.acquire_owned().await.map_err(io::Error::other)?;
            let stream = match dial(&self.address).await {
                Err(error)
                    if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset) =>
                {
                    tokio::time::sleep(AGAIN).await;
                    dial(&self.address).await?
                }
                dialled => dialled?,
            };
            Ok(TokioIo::new(Socket { stream, _place: place, _open: Counted::up(&self.open) }))
        };
        let in_time = tokio::time::timeout(self.timeout, connecting).await;
        in_time.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
    }
}

async fn dial(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<Socket>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Socket>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        Box::pin(self.clone().connect())
    }
}

/// An open connection.
pub(super) struct Socket {
    stream: TcpStream,
    _place: OwnedSemaphorePermit,
    _open: Counted,
}

impl Connection for Socket {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
