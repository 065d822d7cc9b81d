//! A deadline that is moved often and rarely reached. Nearly every wait ends long before its deadline, so that arming a timer for
//! each would cost more than all of them are worth.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep};

/// A timer that touches the runtime's timer wheel only when it would fire too late, or has fired too early.
#[derive(Debug)]
pub struct LazyTimer {
    deadline: Instant,
    /// Fires at the deadline or before. If it fires before, it is armed again.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl LazyTimer {
    /// A timer with this deadline; the runtime's timer is created at the first poll.
    pub fn new(deadline: Instant) -> Self {
        Self { deadline, sleep: None }
    }

    /// A timer that fires after `wait`.
    pub fn after(wait: Duration) -> Self {
        Self::new(Instant::now() + wait)
    }

    /// Moves the deadline.
    pub fn set(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// Moves the deadline to `wait` from now.
    pub fn set_after(&mut self, wait: Duration) {
        self.deadline = Instant::now() + wait;
    }

    /// Ready when the deadline has passed. Must always be polled by the same task: an armed timer keeps the waker it was armed with.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = self.deadline;
        let sleep = match &mut self.sleep {
            Some(sleep) if !sleep.is_elapsed() && sleep.deadline() <= deadline => return Poll::Pending,
            Some(sleep) => {
                if sleep.deadline() != deadline {
                    sleep.as_mut().reset(deadline);
                }
                sleep
            }
            none => none.insert(Box::pin(tokio::time::sleep_until(deadline))),
        };
        // Without this, a task that has used up its budget would get `Pending` without a registered waker.
        std::pin::pin!(unconstrained(sleep.as_mut())).poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAR: Duration = Duration::from_hours(1);

    async fn is_pending(timer: &mut LazyTimer) -> bool {
        std::future::poll_fn(|cx| Poll::Ready(timer.poll(cx).is_pending())).await
    }

    async fn fires_after(timer: &mut LazyTimer, deadline: Instant) {
        tokio::time::timeout(FAR / 60, std::future::poll_fn(|cx| timer.poll(cx))).await.unwrap();
        assert!(Instant::now() >= deadline);
    }

    #[tokio::test]
    async fn a_timer_fires_at_its_last_deadline() {
        let mut timer = LazyTimer::new(Instant::now());
        let after = |ms: u64| Instant::now() + Duration::from_millis(ms);
        // Moved back, moved forward, and set again after it fired.
        for (first, second) in [(after(20), after(60)), (after(60) + FAR, after(80)), (after(90), after(90))]
        {
            for deadline in [first, second] {
                timer.set(deadline);
                assert!(is_pending(&mut timer).await);
            }
            fires_after(&mut timer, second).await;
        }
        // The runtime's timer fires between two polls.
        timer.set_after(Duration::from_millis(10));
        assert!(is_pending(&mut timer).await);
        tokio::time::sleep(Duration::from_millis(30)).await;
        let deadline = after(20);
        timer.set(deadline);
        assert!(is_pending(&mut timer).await);
        fires_after(&mut timer, deadline).await;
    }
}
