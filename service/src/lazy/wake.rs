//! A wait that is polled often and rarely ends. The inner future is polled once, and again only after it was woken: every
//! poll of a cancellation token takes two locks, and a connection is polled several times for each request.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use parking_lot::Mutex;

/// The waker that the inner future gets. It records the wake-up and passes it on to the task that polled last.
struct WakeFlag {
    /// Whether no waker is stored: the future was woken, or never polled. Readable without the lock.
    is_woken: AtomicBool,
    waiting: Mutex<Option<Waker>>,
}

impl WakeFlag {
    /// Stores the waker to call, or `None` for a wake-up. Returns the waker that was stored before.
    fn replace(&self, waker: Option<Waker>) -> Option<Waker> {
        let mut waiting = self.waiting.lock();
        self.is_woken.store(waker.is_none(), Ordering::Release);
        std::mem::replace(&mut *waiting, waker)
    }
}

impl Wake for WakeFlag {
    fn wake(self: Arc<Self>) {
        if let Some(waiting) = self.replace(None) {
            waiting.wake();
        }
    }
}

/// A future behind a cheap poll: while the future has not been woken, a poll by the same task costs one atomic load.
pub struct LazyWake<F> {
    future: Pin<Box<F>>,
    flag: Arc<WakeFlag>,
    /// The waker for the inner future; it sets `flag`.
    inner_waker: Waker,
    /// The waker of the task that polled last.
    last_waker: Waker,
}

impl<F: Future<Output = ()>> LazyWake<F> {
    /// Wraps the future; nothing is polled yet.
    pub fn new(future: F) -> Self {
        let flag = Arc::new(WakeFlag { is_woken: AtomicBool::new(true), waiting: Mutex::default() });
        let inner_waker = Waker::from(Arc::clone(&flag));
        Self { future: Box::pin(future), flag, inner_waker, last_waker: Waker::noop().clone() }
    }

    /// Polls the future if it was woken. The task that polls last is woken when the future ends. Must not be called again after
    /// it returned `Ready`.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.last_waker.will_wake(cx.waker()) && !self.flag.is_woken.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        self.last_waker.clone_from(cx.waker());
        // Stored before the poll: otherwise a wake-up between the two would be lost.
        if self.flag.replace(Some(cx.waker().clone())).is_some() {
            return Poll::Pending;
        }
        self.future.as_mut().poll(&mut Context::from_waker(&self.inner_waker))
    }
}

impl<F> std::fmt::Debug for LazyWake<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LazyWake").field("is_woken", &self.flag.is_woken).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;
    use tokio_util::sync::CancellationToken;

    #[tokio::test]
    async fn the_task_that_polled_last_is_woken() {
        for _ in 0..200 {
            let token = CancellationToken::new();
            let mut wait = LazyWake::new(token.clone().cancelled_owned());
            let other_task = &mut Context::from_waker(Waker::noop());
            assert!(wait.poll(other_task).is_pending() && wait.poll(other_task).is_pending());
            let cancel = async {
                tokio::task::yield_now().await;
                token.cancel();
            };
            let ended = async { tokio::join!(poll_fn(|cx| wait.poll(cx)), cancel) };
            assert!(tokio::time::timeout(Duration::from_secs(5), ended).await.is_ok());
        }
    }

    #[tokio::test]
    async fn a_wait_that_ended_before_the_first_poll_is_ready() {
        let token = CancellationToken::new();
        token.cancel();
        let mut wait = LazyWake::new(token.cancelled_owned());
        assert!(wait.poll(&mut Context::from_waker(Waker::noop())).is_ready());
    }
}
