//! The body of a forwarded request. It records when it has been sent, because the service's time to respond begins then.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::timeout::SentFlag;
use crate::body_start::BodyStart;

/// The body of a request.
pub(super) struct RequestBody {
    /// The part that has been read before; empty once it has been sent.
    start: Bytes,
    rest: Body,
    /// Set when the body has been sent or dropped; `None` once set, or if the body is empty.
    sent: Option<SentFlag>,
}

impl RequestBody {
    /// A body, and its flag unless it is empty.
    pub(super) fn new(start: BodyStart, rest: Body) -> (Self, Option<SentFlag>) {
        let rest = if start.is_whole { Body::empty() } else { rest };
        let mut body = Self { start: start.bytes, rest, sent: None };
        body.sent = (!body.is_end_stream()).then(SentFlag::default);
        let sent = body.sent.clone();
        (body, sent)
    }

    fn set_sent(&mut self) {
        if let Some(sent) = self.sent.take() {
            sent.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.set_sent();
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = if self.start.is_empty() {
            ready!(Pin::new(&mut self.rest).poll_frame(cx))
        } else {
            Some(Ok(Frame::data(std::mem::take(&mut self.start))))
        };
        if frame.is_none() || self.is_end_stream() {
            self.set_sent();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.start.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        size_hint_after(self.start.len() as u64, &self.rest.size_hint())
    }
}

/// The size of a body of which this many bytes have been taken out, and are sent before the rest.
pub(super) fn size_hint_after(taken: u64, rest: &SizeHint) -> SizeHint {
    let mut hint = SizeHint::new();
    hint.set_lower(rest.lower().saturating_add(taken));
    if let Some(upper) = rest.upper() {
        hint.set_upper(upper.saturating_add(taken));
    }
    hint
}
