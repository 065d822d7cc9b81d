//! How long a service is waited for. Nearly every wait ends long before its time, so that setting a timer for each would cost
//! more than all of them are worth: each link has one, and it is touched only when it would go off too late.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep};

/// The timer of a link.
pub(super) struct LazyTimer {
    until: Instant,
    /// Runs until then or less; if it goes off before its time it is set anew.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl LazyTimer {
    pub(super) fn new(now: Instant) -> Self {
        Self { until: now, sleep: None }
    }

    /// Is to go off then, and not before.
    pub(super) fn set(&mut self, until: Instant) {
        self.until = until;
    }

    /// Ready when its time has come. It must always be polled by the same waker: it remembers the first one.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let until = self.until;
        let sleep = match &mut self.sleep {
            Some(sleep) if !sleep.is_elapsed() && sleep.deadline() <= until => return Poll::Pending,
            Some(sleep) => {
                if sleep.deadline() != until {
                    sleep.as_mut().reset(until);
                }
                sleep
            }
            none => none.insert(Box::pin(tokio::time::sleep_until(until))),
        };
        // A task that has used up its turn would be put off, and the timer would not know whom to wake.
        std::pin::pin!(unconstrained(sleep.as_mut())).poll(cx)
    }
}

/// How long the headers of an answer are waited for. A client's slow body is not the service's slowness: its time begins when
/// the body is through.
pub(super) struct Patience {
    until: Instant,
    body: Option<(Through, Duration)>,
}

/// Whether a request's body is through.
pub(super) type Through = Arc<AtomicBool>;

impl Patience {
    /// Waits until then.
    pub(super) fn until(until: Instant) -> Self {
        Self { until, body: None }
    }

    /// Waits until then, or only so long from when the body is through.
    pub(super) fn after_body(until: Instant, through: Through, wait: Duration) -> Self {
        Self { until, body: Some((through, wait)) }
    }

    /// When it ends, as far as is known now.
    pub(super) fn ends(&mut self) -> Instant {
        if let Some((_, wait)) = self.body.take_if(|(through, _)| through.load(Ordering::Relaxed)) {
            self.until = self.until.min(Instant::now() + wait);
        }
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAR: Duration = Duration::from_hours(1);

    async fn is_pending(alarm: &mut LazyTimer) -> bool {
        std::future::poll_fn(|cx| Poll::Ready(alarm.poll(cx).is_pending())).await
    }

    async fn gone_off(alarm: &mut LazyTimer, until: Instant) {
        tokio::time::timeout(FAR / 60, std::future::poll_fn(|cx| alarm.poll(cx))).await.unwrap();
        assert!(Instant::now() >= until);
    }

    #[tokio::test]
    async fn an_alarm_goes_off_at_its_time_whatever_was_set_before() {
        let mut alarm = LazyTimer::new(Instant::now());
        let after = |ms: u64| Instant::now() + Duration::from_millis(ms);
        // Put off, brought forward, set again after it went off.
        for (first, second) in [(after(20), after(60)), (after(60) + FAR, after(80)), (after(90), after(90))]
        {
            for until in [first, second] {
                alarm.set(until);
                assert!(is_pending(&mut alarm).await);
            }
            gone_off(&mut alarm, second).await;
        }
        // It went off while nobody looked.
        alarm.set(after(10));
        assert!(is_pending(&mut alarm).await);
        tokio::time::sleep(Duration::from_millis(30)).await;
        let until = after(20);
        alarm.set(until);
        assert!(is_pending(&mut alarm).await);
        gone_off(&mut alarm, until).await;
    }

    #[test]
    fn the_time_for_an_answer_begins_once_when_the_body_is_through() {
        let (end, wait, through) = (Instant::now() + FAR, Duration::from_secs(5), Through::default());
        let mut patience = Patience::after_body(end, Arc::clone(&through), wait);
        assert_eq!(patience.ends(), end);
        through.store(true, Ordering::Relaxed);
        let ends = patience.ends();
        assert!(ends >= Instant::now() && ends <= Instant::now() + wait);
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(patience.ends(), ends);
    }
}
