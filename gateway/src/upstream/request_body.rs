//! The body of a forwarded request. It records when it has been sent, because the service's time to respond begins then.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::timeout::SentFlag;

/// The body of a request.
pub(super) struct RequestBody {
    body: Body,
    /// Set when the body has been sent or dropped; `None` once set, or if the body is empty.
    sent: Option<SentFlag>,
}

impl RequestBody {
    /// A body, and its flag unless it is empty.
    pub(super) fn new(body: Body) -> (Self, Option<SentFlag>) {
        let sent = (!body.is_end_stream()).then(SentFlag::default);
        (Self { body, sent: sent.clone() }, sent)
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
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if frame.is_none() || self.body.is_end_stream() {
            self.set_sent();
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
