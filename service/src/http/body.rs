//! Request bodies with a size limit and a deadline, and response bodies that keep their request in flight until they are sent.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

use super::metrics::GaugeGuard;
use super::rate::MinimumRate;
use super::record::PendingRecord;
use super::stream::ResponseReader;
use super::timeouts::RequestGuard;

/// Why a request body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyError {
    /// It is larger than the limit.
    #[error("the request body is too large")]
    TooLarge,
    /// It did not arrive before the deadline.
    #[error("the request body did not arrive in time")]
    TooSlow,
}

/// Holds the error of a body. The handler sees only a read error, and would report a wrong cause.
#[derive(Debug, Default)]
pub(super) struct BodyErrorSlot(AtomicU8);

impl BodyErrorSlot {
    fn set(&self, error: BodyError) -> BodyError {
        self.0.store(if error == BodyError::TooLarge { 1 } else { 2 }, Ordering::Relaxed);
        error
    }

    pub(super) fn get(&self) -> Option<BodyError> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(BodyError::TooLarge),
            _ => Some(BodyError::TooSlow),
        }
    }
}

/// A request body with its limits.
pub(super) struct LimitedBody {
    pub(super) body: Incoming,
    pub(super) bytes_left: u64,
    pub(super) deadline: Instant,
    /// `None` for no limit.
    pub(super) rate: Option<MinimumRate>,
    /// Created at the first wait: most bodies arrive with their headers.
    pub(super) timer: Option<Pin<Box<Sleep>>>,
    pub(super) error: Arc<BodyErrorSlot>,
    pub(super) _in_flight: RequestGuard,
}

/// How far a body may fall behind its rate.
pub(super) const LAG_MAX: Duration = Duration::from_secs(5);

impl LimitedBody {
    fn check(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, BodyError> {
        let size = frame.data_ref().map_or(0, |data| data.len() as u64);
        let left = self.bytes_left.checked_sub(size);
        self.bytes_left = left.ok_or_else(|| self.error.set(BodyError::TooLarge))?;
        if let Some(rate) = &mut self.rate {
            rate.transferred(size);
        }
        Ok(frame)
    }

    /// Ready when the next bytes take too long.
    fn poll_timeout(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = self.rate.as_mut().map_or(self.deadline, |rate| rate.wait().min(self.deadline));
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(cx)
    }
}

impl HttpBody for LimitedBody {
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
        ready!(this.poll_timeout(cx));
        Poll::Ready(Some(Err(this.error.set(BodyError::TooSlow).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The most bytes that are given to an HTTP/2 stream at once, a frame: of a larger piece, progress would be seen only at its end.
const PIECE_MAX: usize = 16 * 1024;

/// A response body with the guards that end once it is sent.
pub(super) struct SentBody {
    body: Body,
    /// The rest of a piece that was larger than a frame.
    rest: Bytes,
    reader: Option<ResponseReader>,
    record: Option<PendingRecord>,
    _in_flight: RequestGuard,
    _active: GaugeGuard,
}

impl SentBody {
    pub(super) fn new(
        body: Body,
        in_flight: RequestGuard,
        active: GaugeGuard,
        record: Option<PendingRecord>,
    ) -> Self {
        let reader = ResponseReader::of_task();
        if let Some(reader) = &reader {
            reader.offer(0);
        }
        Self { body, rest: Bytes::new(), reader, record, _in_flight: in_flight, _active: active }
    }

    /// The next piece; over HTTP/2 at most a frame.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            let piece = ready!(Pin::new(&mut self.body).poll_frame(cx));
            let is_large = |frame: &Frame<Bytes>| frame.data_ref().is_some_and(|data| data.len() > PIECE_MAX);
            match piece {
                Some(Ok(frame)) if self.reader.is_some() && is_large(&frame) => {
                    self.rest = frame.into_data().unwrap_or_default();
                }
                piece => return Poll::Ready(piece),
            }
        }
        let size = self.rest.len().min(PIECE_MAX);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(size)))))
    }

    fn count(&mut self, piece: &Poll<Option<Result<Frame<Bytes>, axum::Error>>>) {
        let Some(PendingRecord { sent, .. }) = &mut self.record else { return };
        match piece {
            Poll::Ready(Some(Ok(frame))) => {
                sent.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            Poll::Ready(None) => sent.is_complete = true,
            _ => {}
        }
    }
}

impl HttpBody for SentBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        // A body is polled when its client has read what came before.
        let this = self.get_mut();
        if let Some(reader) = &this.reader {
            reader.has_read();
        }
        let piece = this.poll_piece(cx);
        this.count(&piece);
        if let (Some(reader), Poll::Ready(Some(Ok(frame)))) = (&this.reader, &piece) {
            reader.offer(frame.data_ref().map_or(0, |data| data.len() as u64));
        }
        piece
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let rest = self.rest.len() as u64;
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(hint.lower().saturating_add(rest));
        hint
    }
}

impl Drop for SentBody {
    fn drop(&mut self) {
        let Some(PendingRecord { record, mut sent }) = self.record.take() else { return };
        // A body of known length is not polled again after its end.
        sent.is_complete |= self.is_end_stream();
        record.sent(sent);
    }
}

/// How much of a refused body is read, and for how long.
const DRAIN_BYTES_MAX: usize = 64 * 1024;
const DRAIN_TIME_MAX: Duration = Duration::from_secs(1);

/// Reads and discards a refused body: closing with unread bytes resets the connection, and the client would not see the response.
pub(super) async fn drain(mut body: Incoming) {
    let reading = async {
        let mut left = DRAIN_BYTES_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            let size = frame.data_ref().map_or(0, Bytes::len);
            let Some(rest) = left.checked_sub(size) else { return };
            left = rest;
        }
    };
    let _ = tokio::time::timeout(DRAIN_TIME_MAX, reading).await;
}
