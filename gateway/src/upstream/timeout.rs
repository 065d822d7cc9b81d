//! How long the headers of a response are awaited. A slow client must not count as a slow service, so the time begins when the
//! request's body has been sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Whether the body of a request has been sent.
pub(super) type SentFlag = Arc<AtomicBool>;

/// The deadline of a response's headers.
pub(super) struct ResponseDeadline {
    deadline: Instant,
    /// The flag of a body that is being sent, and the time to respond once it has been.
    after_body: Option<(SentFlag, Duration)>,
}

impl ResponseDeadline {
    /// A fixed deadline.
    pub(super) fn at(deadline: Instant) -> Self {
        Self { deadline, after_body: None }
    }

    /// The earlier of `deadline` and `timeout` after the body has been sent.
    pub(super) fn after_body(deadline: Instant, sent: SentFlag, timeout: Duration) -> Self {
        Self { deadline, after_body: Some((sent, timeout)) }
    }

    /// The deadline as far as it is known now.
    pub(super) fn current(&mut self) -> Instant {
        if let Some((_, timeout)) = self.after_body.take_if(|(sent, _)| sent.load(Ordering::Relaxed)) {
            self.deadline = self.deadline.min(Instant::now() + timeout);
        }
        self.deadline
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAR: Duration = Duration::from_hours(1);

    #[test]
    fn the_time_to_respond_begins_once_when_the_body_has_been_sent() {
        let (end, timeout, sent) = (Instant::now() + FAR, Duration::from_secs(5), SentFlag::default());
        let mut deadline = ResponseDeadline::after_body(end, Arc::clone(&sent), timeout);
        assert_eq!(deadline.current(), end);
        sent.store(true, Ordering::Relaxed);
        let current = deadline.current();
        assert!(current >= Instant::now() && current <= Instant::now() + timeout);
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(deadline.current(), current);
    }
}
