//! A wait that nearly always goes on: it is looked at once, and then only when it woke somebody. Each look at a cancellation takes
//! two locks, and a connection is polled several times for each request.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// What the wait wakes: it notes that, and wakes whoever looked last.
struct Alarm {
    /// Whether nobody is there to be woken: it rang, or was never looked at. It can be read without the lock.
    rung: AtomicBool,
    waiting: Mutex<Option<Waker>>,
}

impl Alarm {
    /// Notes who is to be woken, or that it has rung; who was to be woken before.
    fn note(&self, waker: Option<Waker>) -> Option<Waker> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.rung.store(waker.is_none(), Ordering::Release);
        std::mem::replace(&mut *waiting, waker)
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        if let Some(waiting) = self.note(None) {
            waiting.wake();
        }
    }
}

/// A wait.
pub(crate) struct Seldom<F> {
    wait: Pin<Box<F>>,
    alarm: Arc<Alarm>,
    waker: Waker,
    /// Who looked last.
    looked: Waker,
}

impl<F: Future<Output = ()>> Seldom<F> {
    pub(crate) fn new(wait: F) -> Self {
        let alarm = Arc::new(Alarm { rung: AtomicBool::new(true), waiting: Mutex::default() });
        let (waker, looked) = (Waker::from(Arc::clone(&alarm)), Waker::noop().clone());
        Self { wait: Box::pin(wait), alarm, waker, looked }
    }

    /// Whether it is over; whoever polls last is woken when it is. Not to be polled again then.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.looked.will_wake(cx.waker()) && !self.alarm.rung.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        self.looked.clone_from(cx.waker());
        // Before the look: an alarm between the two would wake nobody.
        if self.alarm.note(Some(cx.waker().clone())).is_some() {
            return Poll::Pending;
        }
        self.wait.as_mut().poll(&mut Context::from_waker(&self.waker))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;
    use tokio_util::sync::CancellationToken;

    #[tokio::test]
    async fn whoever_looks_last_is_woken_even_if_another_task_looked_before() {
        for _ in 0..200 {
            let token = CancellationToken::new();
            let mut wait = Seldom::new(token.clone().cancelled_owned());
            let nobody = &mut Context::from_waker(Waker::noop());
            assert!(wait.poll(nobody).is_pending() && wait.poll(nobody).is_pending());
            let cancel = async {
                tokio::task::yield_now().await;
                token.cancel();
            };
            let ended = async { tokio::join!(poll_fn(|cx| wait.poll(cx)), cancel) };
            assert!(tokio::time::timeout(Duration::from_secs(5), ended).await.is_ok());
        }
    }

    #[tokio::test]
    async fn a_wait_that_is_over_before_anybody_looks_is_over() {
        let token = CancellationToken::new();
        token.cancel();
        let mut wait = Seldom::new(token.cancelled_owned());
        assert!(wait.poll(&mut Context::from_waker(Waker::noop())).is_ready());
    }
}
