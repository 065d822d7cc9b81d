//! Bodies on their way: requests with a size and a deadline, answers that tell their connection when they are through.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

use super::meter::Active;
use super::wire::Turn;

/// Why a body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Cut {
    /// It is larger than allowed.
    #[error("the request body is too large")]
    TooLarge,
    /// It did not come in time.
    #[error("the request body came too slowly")]
    TooSlow,
}

/// Where a body notes why it was cut: the handler only sees a read error, and would blame the wrong thing.
#[derive(Debug, Default)]
pub(super) struct Note(AtomicU8);

impl Note {
    fn write(&self, cut: Cut) -> Cut {
        self.0.store(if cut == Cut::TooLarge { 1 } else { 2 }, Ordering::Relaxed);
        cut
    }

    pub(super) fn read(&self) -> Option<Cut> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(Cut::TooLarge),
            _ => Some(Cut::TooSlow),
        }
    }
}

/// A request body within its bounds.
pub(super) struct Bounded {
    pub(super) body: Incoming,
    /// Bytes that may still come.
    pub(super) left: u64,
    pub(super) deadline: Instant,
    /// Made at the first wait: most bodies are here with their headers.
    pub(super) timer: Option<Pin<Box<Sleep>>>,
    pub(super) note: Arc<Note>,
    pub(super) _turn: Turn,
}

impl Bounded {
    fn check(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, Cut> {
        let size = frame.data_ref().map_or(0, |data| data.len() as u64);
        self.left = self.left.checked_sub(size).ok_or_else(|| self.note.write(Cut::TooLarge))?;
        Ok(frame)
    }
}

impl HttpBody for Bounded {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let this = self.get_mut();
        if let Poll::Ready(next) = Pin::new(&mut this.body).poll_frame(cx) {
            return Poll::Ready(next.map(|frame| Ok(this.check(frame?)?)));
        }
        let deadline = this.deadline;
        let timer = this.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Some(Err(this.note.write(Cut::TooSlow).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body, and what is held until it is through.
pub(super) struct Outgoing {
    pub(super) body: Body,
    pub(super) _turn: Turn,
    pub(super) _active: Active,
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Most of a refused body that is still read, and for how long.
const DRAIN: (usize, Duration) = (64 * 1024, Duration::from_secs(1));

/// Reads a refused body away for a while: closing on unread bytes resets the connection, and the client would never
/// see why it was refused.
pub(super) async fn drain(mut body: Incoming) {
    let reading = async {
        let mut left = DRAIN.0;
        while let Some(Ok(frame)) = body.frame().await {
            let size = frame.data_ref().map_or(0, Bytes::len);
            let Some(rest) = left.checked_sub(size) else { return };
            left = rest;
        }
    };
    let _ = tokio::time::timeout(DRAIN.1, reading).await;
}
