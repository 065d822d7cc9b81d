//! Bodies on their way through, piece by piece: a request's tells when it is through, an answer's must not pause for long.

use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::Instant;

use super::Permit;
use super::connection::{State, UpstreamConnection};
use super::pool::Pool;
use super::timeout::Through;

/// A request's body.
pub(super) struct RequestBody {
    body: Body,
    /// None if there is nothing to wait for.
    through: Option<Through>,
}

impl RequestBody {
    /// A body that tells when it is through, or dropped; one without a byte has nothing to tell.
    pub(super) fn new(body: Body) -> (Self, Option<Through>) {
        let through = (!body.is_end_stream()).then(Through::default);
        (Self { body, through: through.clone() }, through)
    }

    fn tell(&mut self) {
        if let Some(through) = self.through.take() {
            through.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.tell();
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if frame.is_none() || self.body.is_end_stream() {
            self.tell();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// How long an answer's body may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) deadline: Instant,
    pub(super) pause: Duration,
}

/// An answer's body. As it is read it works the link that it comes over; dropped before its end, it closes it.
pub(super) struct ResponseBody {
    body: Incoming,
    /// None when nothing more comes over it.
    connection: Option<(Box<UpstreamConnection>, Arc<Pool>)>,
    bounds: Bounds,
    /// Until when the service is waited for, if it is.
    waiting: Option<Instant>,
    /// What ended it early.
    broken: Option<axum::BoxError>,
    _held: Permit,
}

impl ResponseBody {
    /// The body of an answer whose link is not free yet, and goes to the pool when it is.
    pub(super) fn new(
        body: Incoming,
        connection: Option<(Box<UpstreamConnection>, Arc<Pool>)>,
        bounds: Bounds,
        held: Permit,
    ) -> Self {
        Self { body, connection, bounds, waiting: None, broken: None, _held: held }
    }

    fn work(&mut self, cx: &Context<'_>) {
        let Some((mut connection, pool)) = self.connection.take() else { return };
        match connection.work(cx) {
            State::Busy => self.connection = Some((connection, pool)),
            State::Free => pool.give(connection, Instant::now()),
            State::Closed => {}
        }
    }

    /// Breaks off at the next look: an error closes the client's connection at once, and what came before would be lost.
    fn break_off(&mut self, error: axum::BoxError, cx: &Context<'_>) {
        self.broken = Some(error);
        self.connection = None;
        cx.waker().wake_by_ref();
    }

    fn wait(&mut self) -> Poll<()> {
        let Bounds { deadline, pause } = self.bounds;
        match &mut self.connection {
            Some((connection, _)) => {
                connection.wait(*self.waiting.get_or_insert_with(|| deadline.min(Instant::now() + pause)))
            }
            None => unreachable!("hyper ends the body of a connection that is free or closed"),
        }
    }
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let this = self.get_mut();
        if let Some(error) = this.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        this.work(cx);
        // Only our own work brings a piece, so that nobody has to be woken for one.
        let mut quiet = Context::from_waker(Waker::noop());
        match Pin::new(&mut this.body).poll_frame(&mut quiet) {
            Poll::Ready(Some(Err(error))) => this.break_off(error.into(), cx),
            Poll::Ready(frame) => {
                this.waiting = None;
                return Poll::Ready(frame.map(|frame| Ok(frame?)));
            }
            Poll::Pending => {
                ready!(this.wait());
                this.break_off(std::io::Error::from(ErrorKind::TimedOut).into(), cx);
            }
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
