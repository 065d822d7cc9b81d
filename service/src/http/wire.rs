//! A connection's waits: silence before a request, slow headers, and a client that reads nothing.
//! Slow bodies are timed in `body`, because a handler may read them late on purpose.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::Limits;
use crate::lazy_timer::LazyTimer;

/// What the requests and the socket of a connection tell its watch. All but `under_way` are counted by the connection's own task
/// alone, so that they need no locked instruction.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Requests that began.
    begun: AtomicU64,
    /// Parts of requests that are under way.
    under_way: AtomicU64,
    /// Reads that brought bytes.
    reads: AtomicU64,
    /// Writes that took bytes.
    writes: AtomicU64,
}

/// Counts where nobody else does.
fn count_up(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// A part of a request that is under way: while one is held, silence is nobody's fault.
#[derive(Debug)]
pub(super) struct Turn(Arc<Progress>);

impl Progress {
    /// A request begins.
    pub(super) fn begin(self: &Arc<Self>) -> Turn {
        count_up(&self.begun);
        self.under_way.fetch_add(1, Ordering::Relaxed);
        Turn(Arc::clone(self))
    }
}

impl Clone for Turn {
    fn clone(&self) -> Self {
        self.0.under_way.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What is being waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaiting {
    /// Nothing: a request is under way.
    Nothing,
    /// The first byte of a request, after this many requests, reads and writes.
    FirstByte { begun: u64, reads: u64, writes: u64 },
    /// The rest of its headers.
    Headers { begun: u64 },
}

/// Says when a client has been silent, or slow with its headers, for too long. hyper's own timer counts from the last
/// answer, so it cannot tell the two apart.
pub(super) struct Watch {
    progress: Arc<Progress>,
    first_byte: Duration,
    headers: Duration,
    awaiting: Awaiting,
    timer: LazyTimer,
}

impl Watch {
    pub(super) fn new(progress: Arc<Progress>, limits: &Limits) -> Self {
        let (first_byte, headers) = (limits.first_byte_timeout, limits.header_read_timeout);
        let timer = LazyTimer::after(first_byte);
        // From zero: the first bytes may be here before the first look.
        let awaiting = Awaiting::FirstByte { begun: 0, reads: 0, writes: 0 };
        Self { progress, first_byte, headers, awaiting, timer }
    }

    /// To be polled after the connection was: ready when the connection is to be closed.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let next = self.look();
        if next != self.awaiting {
            self.awaiting = next;
            match next {
                Awaiting::Nothing => {}
                Awaiting::FirstByte { .. } => self.timer.set_after(self.first_byte),
                Awaiting::Headers { .. } => self.timer.set_after(self.headers),
            }
        }
        if next == Awaiting::Nothing { Poll::Pending } else { self.timer.poll(cx) }
    }

    fn look(&self) -> Awaiting {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let begun = count(&self.progress.begun);
        let (reads, writes) = (count(&self.progress.reads), count(&self.progress.writes));
        match self.awaiting {
            _ if count(&self.progress.under_way) > 0 => Awaiting::Nothing,
            Awaiting::Headers { begun: n } if n == begun => self.awaiting,
            Awaiting::FirstByte { begun: n, reads: r, .. } if n == begun && reads > r => {
                Awaiting::Headers { begun }
            }
            // A large answer is still being written long after it was made: each write begins the silence anew.
            _ => Awaiting::FirstByte { begun, reads, writes },
        }
    }
}

/// Says when an HTTP/2 connection has had no request for too long. Its frames come and go beside the requests, and requests end
/// without its knowing, so it looks now and then: a connection is closed after once to twice the time.
pub(super) struct Lull {
    progress: Arc<Progress>,
    wait: Duration,
    begun: u64,
    timer: LazyTimer,
}

impl Lull {
    pub(super) fn new(progress: Arc<Progress>, limits: &Limits) -> Self {
        let wait = limits.first_byte_timeout;
        Self { progress, wait, begun: 0, timer: LazyTimer::after(wait) }
    }

    /// To be polled after the connection was: ready when the connection is to be closed.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.poll(cx));
            let begun = self.progress.begun.load(Ordering::Relaxed);
            if begun == self.begun && self.progress.under_way.load(Ordering::Relaxed) == 0 {
                return Poll::Ready(());
            }
            self.begun = begun;
            self.timer.set_after(self.wait);
        }
    }
}

/// What is copied into one piece before it is written: the kernel takes a list of pieces by a longer way.
const SMALL: usize = 4096;

/// The socket.
pub(super) struct Wire {
    stream: TcpStream,
    progress: Arc<Progress>,
    write_stall: Duration,
    /// Whether the client takes nothing at present; then the timer runs.
    stalled: bool,
    timer: LazyTimer,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, progress: Arc<Progress>, limits: &Limits) -> Self {
        let write_stall = limits.write_stall_timeout;
        Self { stream, progress, write_stall, stalled: false, timer: LazyTimer::after(write_stall) }
    }

    /// Passes on how a write went, or says that the client has read nothing for too long.
    fn wrote(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if done.is_ready() {
            self.stalled = false;
            count_up(&self.progress.writes);
            return done;
        }
        if !self.stalled {
            self.stalled = true;
            self.timer.set_after(self.write_stall);
        }
        ready!(self.timer.poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let done = Pin::new(&mut this.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            count_up(&this.progress.reads);
        }
        done
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.wrote(cx, done)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let size: usize = bufs.iter().map(|buf| buf.len()).sum();
        let done = if size <= SMALL {
            let mut whole = [0; SMALL];
            let mut at = 0;
            for buf in bufs {
                whole[at..at + buf.len()].copy_from_slice(buf);
                at += buf.len();
            }
            Pin::new(&mut this.stream).poll_write(cx, &whole[..at])
        } else {
            Pin::new(&mut this.stream).poll_write_vectored(cx, bufs)
        };
        this.wrote(cx, done)
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
