//! The body of a response on its way to the client. Reading it drives the connection to the service; dropping it before its end
//! closes the connection.

use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use axum::body::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::Instant;

use super::connection::{ConnectionState, UpstreamConnection};
use super::permit::Permit;
use super::pool::Pool;

/// How long the body of a response may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyTimeouts {
    pub(super) deadline: Instant,
    pub(super) pause: Duration,
}

/// The body of a response.
pub(super) struct UpstreamBody {
    body: Incoming,
    /// `None` when the body is complete.
    connection: Option<(Box<UpstreamConnection>, Arc<Pool>)>,
    timeouts: BodyTimeouts,
    /// The deadline of the next piece, while one is awaited.
    next_piece: Option<Instant>,
    /// The error that ended the body early.
    error: Option<axum::BoxError>,
    _permit: Permit,
}

impl UpstreamBody {
    /// A body whose connection is busy, and returns to the pool when it is free.
    pub(super) fn new(
        body: Incoming,
        connection: Option<(Box<UpstreamConnection>, Arc<Pool>)>,
        timeouts: BodyTimeouts,
        permit: Permit,
    ) -> Self {
        Self { body, connection, timeouts, next_piece: None, error: None, _permit: permit }
    }

    fn drive_connection(&mut self, cx: &Context<'_>) {
        let Some((mut connection, pool)) = self.connection.take() else { return };
        match connection.drive(cx) {
            ConnectionState::Busy => self.connection = Some((connection, pool)),
            ConnectionState::Free => pool.put(connection, Instant::now()),
            ConnectionState::Closed => {}
        }
    }

    /// Ends the body at the next poll: an error closes the client's connection at once, and pieces before it would be lost.
    fn fail_later(&mut self, error: axum::BoxError, cx: &Context<'_>) {
        self.error = Some(error);
        self.connection = None;
        cx.waker().wake_by_ref();
    }

    fn poll_timeout(&mut self) -> Poll<()> {
        let BodyTimeouts { deadline, pause } = self.timeouts;
        match &mut self.connection {
            Some((connection, _)) => {
                let next_piece = self.next_piece.get_or_insert_with(|| deadline.min(Instant::now() + pause));
                connection.poll_deadline(*next_piece)
            }
            None => unreachable!("hyper ends the body of a connection that is free or closed"),
        }
    }
}

impl HttpBody for UpstreamBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let this = self.get_mut();
        if let Some(error) = this.error.take() {
            return Poll::Ready(Some(Err(error)));
        }
        this.drive_connection(cx);
        // Only driving the connection brings a piece, so that the body needs no waker.
        let mut no_waker = Context::from_waker(Waker::noop());
        match Pin::new(&mut this.body).poll_frame(&mut no_waker) {
            Poll::Ready(Some(Err(error))) => this.fail_later(error.into(), cx),
            Poll::Ready(frame) => {
                this.next_piece = None;
                return Poll::Ready(frame.map(|frame| Ok(frame?)));
            }
            Poll::Pending => {
                ready!(this.poll_timeout());
                this.fail_later(std::io::Error::from(ErrorKind::TimedOut).into(), cx);
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
