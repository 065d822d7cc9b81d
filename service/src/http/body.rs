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
    pub(super) rate: MinimumRate,
    /// Created at the first wait: most bodies arrive with their headers.
    pub(super) timer: Option<Pin<Box<Sleep>>>,
    pub(super) error: Arc<BodyErrorSlot>,
    pub(super) _in_flight: RequestGuard,
}

/// How far a body may fall behind its rate: a phone may lose its network for a moment.
const LAG_MAX: Duration = Duration::from_secs(5);

/// The lowest rate at which a body may arrive. Only the time in which it is awaited counts: while the handler does not read, the
/// client cannot send.
#[derive(Debug)]
pub(super) struct MinimumRate {
    /// Zero for no limit.
    bytes_per_second: u32,
    /// How far the body is behind its rate. It is never ahead of it, so that a client cannot send quickly first and then hold its
    /// request for long.
    lag: Duration,
    waiting_since: Option<Instant>,
}

impl MinimumRate {
    pub(super) fn new(bytes_per_second: u32) -> Self {
        Self { bytes_per_second, lag: Duration::ZERO, waiting_since: None }
    }

    /// Counts bytes that have arrived.
    fn received(&mut self, size: u64) {
        if let Some(since) = self.waiting_since.take() {
            let worth = (size * 1000).checked_div(u64::from(self.bytes_per_second)).unwrap_or(0);
            self.lag = (self.lag + since.elapsed()).saturating_sub(Duration::from_millis(worth));
        }
    }

    /// The time until which the next bytes are awaited; `None` for no limit.
    fn deadline(&mut self) -> Option<Instant> {
        if self.bytes_per_second == 0 {
            return None;
        }
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        Some(since + LAG_MAX.saturating_sub(self.lag))
    }
}

impl LimitedBody {
    fn check(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, BodyError> {
        let size = frame.data_ref().map_or(0, |data| data.len() as u64);
        let left = self.bytes_left.checked_sub(size);
        self.bytes_left = left.ok_or_else(|| self.error.set(BodyError::TooLarge))?;
        self.rate.received(size);
        Ok(frame)
    }

    /// Ready when the next bytes take too long.
    fn poll_timeout(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = self.rate.deadline().map_or(self.deadline, |deadline| deadline.min(self.deadline));
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

/// A response body with the guards that end once it is sent.
pub(super) struct SentBody {
    pub(super) body: Body,
    pub(super) _in_flight: RequestGuard,
    pub(super) _active: GaugeGuard,
}

impl HttpBody for SentBody {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The rest of the wait, after the body was awaited for `waited` and then so many bytes came.
    fn rest(rate: &mut MinimumRate, waited: Duration, size: u64) -> Duration {
        rate.waiting_since = Instant::now().checked_sub(waited);
        rate.received(size);
        LAG_MAX.saturating_sub(rate.lag)
    }

    #[test]
    fn a_body_may_lag_behind_its_rate_and_never_gets_ahead_of_it() {
        let rate = &mut MinimumRate::new(1000);
        let is_about =
            |rest: Duration, seconds: u64| rest.abs_diff(Duration::from_secs(seconds)) < LAG_MAX / 10;
        assert!(is_about(rest(rate, Duration::from_secs(2), 0), 3));
        assert!(is_about(rest(rate, Duration::from_secs(1), 1000), 3), "it keeps its rate");
        assert!(is_about(rest(rate, Duration::ZERO, 1_000_000), 5), "what is sent quickly saves no time");
        assert!(is_about(rest(rate, Duration::from_secs(9), 0), 0));
    }

    #[test]
    fn without_a_rate_there_is_no_deadline() {
        let rate = &mut MinimumRate::new(0);
        rate.received(1000);
        assert_eq!(rate.deadline(), None);
        assert!(MinimumRate::new(1).deadline().is_some());
    }
}
