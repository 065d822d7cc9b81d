//! Bodies on their way through, piece by piece: a request's tells when it is through, an answer's must not pause for long.

use std::io::ErrorKind;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep};

use super::Held;

/// A request's body.
pub(super) struct Sending {
    body: Body,
    through: Option<oneshot::Sender<()>>,
}

impl Sending {
    /// A body that tells when it is through, or dropped.
    pub(super) fn new(body: Body, through: oneshot::Sender<()>) -> Self {
        Self { body, through: Some(through) }
    }
}

impl HttpBody for Sending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if frame.is_none() || self.body.is_end_stream() {
            self.through = None;
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

/// An answer's body.
pub(super) struct Relayed {
    body: Incoming,
    deadline: Instant,
    pause: Duration,
    /// Whether the service is being waited for; then the timer runs.
    waiting: bool,
    timer: Option<Pin<Box<Sleep>>>,
    _held: Held,
}

impl Relayed {
    /// A body that pauses no longer than this, and is through by the deadline.
    pub(super) fn new(body: Incoming, deadline: Instant, pause: Duration, held: Held) -> Self {
        Self { body, deadline, pause, waiting: false, timer: None, _held: held }
    }

    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let until = self.deadline.min(Instant::now() + self.pause);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if !self.waiting {
            self.waiting = true;
            timer.as_mut().reset(until);
        }
        timer.as_mut().poll(cx)
    }
}

impl HttpBody for Relayed {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.waiting = false;
            return Poll::Ready(frame.map(|frame| Ok(frame?)));
        }
        ready!(this.wait(cx));
        Poll::Ready(Some(Err(std::io::Error::from(ErrorKind::TimedOut).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
