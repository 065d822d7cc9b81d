//! The socket of a connection. It counts reads and writes, and fails once the client has not read for too long, or too slowly.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use super::limits::Limits;
use super::rate::MinimumRate;
use super::timeouts::Activity;
use crate::lazy::LazyTimer;

/// Up to this many bytes are copied into one buffer before they are written: a vectored write takes longer in the kernel.
const COPY_MAX: usize = 4096;

/// A connection in plain text, or over TLS.
pub(super) type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// A socket with a write timeout.
pub(super) struct TimedSocket {
    stream: Stream,
    activity: Arc<Activity>,
    rate: MinimumRate,
    timer: LazyTimer,
}

impl TimedSocket {
    pub(super) fn new(stream: Stream, activity: Arc<Activity>, limits: &Limits) -> Self {
        let rate = MinimumRate::new(limits.response_rate_min, limits.write_stall_timeout);
        Self { stream, activity, rate, timer: LazyTimer::after(limits.write_stall_timeout) }
    }

    /// The result of a write, or an error once the client has not read for too long.
    fn after_write(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(result) = result {
            self.rate.transferred(result.as_ref().map_or(0, |size| *size as u64));
            self.activity.count_write();
            return Poll::Ready(result);
        }
        ready!(self.poll_stalled(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// The result of a flush, likewise: TLS keeps encrypted bytes that the socket does not take. They were counted as they were written.
    fn after_flush(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<()>>) -> Poll<io::Result<()>> {
        if result.is_ready() {
            self.rate.waited();
            return result;
        }
        ready!(self.poll_stalled(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Ready when the client has not read for too long.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.timer.set(self.rate.wait());
        self.timer.poll(cx)
    }
}

impl AsyncRead for TimedSocket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let result = Pin::new(&mut this.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            this.activity.count_read();
        }
        result
    }
}

impl AsyncWrite for TimedSocket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.after_write(cx, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let size: usize = bufs.iter().map(|buf| buf.len()).sum();
        let result = if size <= COPY_MAX {
            let mut whole = [0; COPY_MAX];
            let mut at = 0;
            for buf in bufs {
                whole[at..at + buf.len()].copy_from_slice(buf);
                at += buf.len();
            }
            Pin::new(&mut this.stream).poll_write(cx, &whole[..at])
        } else {
            Pin::new(&mut this.stream).poll_write_vectored(cx, bufs)
        };
        this.after_write(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_flush(cx);
        this.after_flush(cx, result)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_shutdown(cx);
        this.after_flush(cx, result)
    }
}
