//! The timeouts of a connection: an idle client, and slow headers. `socket` times a client that does not read its response, and
//! `body` times slow request bodies, since a handler may read them late on purpose.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::limits::Limits;
use crate::lazy::LazyTimer;

/// What has happened on a connection, for its timeouts. All counters but `in_flight` are written by the connection's own task
/// only, so that they need no locked instruction.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Requests that began.
    begun: AtomicU64,
    /// Guards of requests in flight.
    in_flight: AtomicU64,
    /// Reads that returned bytes.
    reads: AtomicU64,
    /// Writes that took bytes.
    writes: AtomicU64,
}

/// Adds one to a counter with a single writer.
fn increment(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// A part of a request in flight. While one exists, a silent client is not idle.
#[derive(Debug)]
pub(super) struct RequestGuard(Arc<Activity>);

impl Activity {
    /// Counts a request.
    pub(super) fn begin_request(self: &Arc<Self>) -> RequestGuard {
        increment(&self.begun);
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        RequestGuard(Arc::clone(self))
    }

    /// Requests in flight, or a few more.
    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Counts a read that returned bytes.
    pub(super) fn count_read(&self) {
        increment(&self.reads);
    }

    /// Counts a write that took bytes.
    pub(super) fn count_write(&self) {
        increment(&self.writes);
    }
}

impl Clone for RequestGuard {
    fn clone(&self) -> Self {
        self.0.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What an HTTP/1.1 connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaiting {
    /// Nothing: a request is in flight.
    Nothing,
    /// The first byte of a request, after this many requests, reads and writes.
    FirstByte { begun: u64, reads: u64, writes: u64 },
    /// The rest of its headers.
    Headers { begun: u64 },
}

/// Closes an HTTP/1.1 connection that has been idle, or slow with its headers, for too long. hyper's own timer counts from the last
/// response, so it cannot tell the two apart.
pub(super) struct Http1Timeouts {
    activity: Arc<Activity>,
    idle: Duration,
    headers: Duration,
    awaiting: Awaiting,
    timer: LazyTimer,
}

impl Http1Timeouts {
    pub(super) fn new(activity: Arc<Activity>, limits: &Limits) -> Self {
        // All counts from zero: the first bytes may arrive before the first poll.
        let awaiting = Awaiting::FirstByte { begun: 0, reads: 0, writes: 0 };
        let idle = limits.idle_timeout;
        let headers = limits.header_read_timeout;
        Self { activity, idle, headers, awaiting, timer: LazyTimer::after(idle) }
    }

    /// Ready when the connection must be closed. To be polled after the connection was.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let next = self.awaiting();
        if next != self.awaiting {
            self.awaiting = next;
            match next {
                Awaiting::Nothing => {}
                Awaiting::FirstByte { .. } => self.timer.set_after(self.idle),
                Awaiting::Headers { .. } => self.timer.set_after(self.headers),
            }
        }
        if next == Awaiting::Nothing { Poll::Pending } else { self.timer.poll(cx) }
    }

    fn awaiting(&self) -> Awaiting {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let begun = count(&self.activity.begun);
        let reads = count(&self.activity.reads);
        let writes = count(&self.activity.writes);
        match self.awaiting {
            _ if count(&self.activity.in_flight) > 0 => Awaiting::Nothing,
            Awaiting::Headers { begun: n } if n == begun => self.awaiting,
            Awaiting::FirstByte { begun: n, reads: r, .. } if n == begun && reads > r => {
                Awaiting::Headers { begun }
            }
            // A large response is still being written long after the handler made it: each write restarts the wait.
            _ => Awaiting::FirstByte { begun, reads, writes },
        }
    }
}

/// Closes an HTTP/2 connection without a request for too long. Requests end in other tasks, which do not wake the connection, so
/// it checks in intervals: a connection is closed after once to twice the time.
pub(super) struct Http2IdleTimeout {
    activity: Arc<Activity>,
    wait: Duration,
    begun: u64,
    timer: LazyTimer,
}

impl Http2IdleTimeout {
    pub(super) fn new(activity: Arc<Activity>, limits: &Limits) -> Self {
        let wait = limits.idle_timeout;
        Self { activity, wait, begun: 0, timer: LazyTimer::after(wait) }
    }

    /// Ready when the connection must be closed. To be polled after the connection was.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.poll(cx));
            let begun = self.activity.begun.load(Ordering::Relaxed);
            if begun == self.begun && self.activity.in_flight.load(Ordering::Relaxed) == 0 {
                return Poll::Ready(());
            }
            self.begun = begun;
            self.timer.set_after(self.wait);
        }
    }
}
