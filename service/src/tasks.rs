//! Background tasks of a process and their shutdown: first, after a signal, a time in which its clients go elsewhere; then a request to
//! stop; then, after a grace period, cancellation.

use std::any::Any;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::lazy::LazyWake;

/// How long cancelled tasks get to end. Only a task that blocks its thread takes longer.
const CANCEL_GRACE: Duration = Duration::from_secs(1);

/// The tasks of a process. A clone refers to the same set.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    drain: CancellationToken,
    /// The same as a flag, which is read for each response.
    is_draining: Arc<AtomicBool>,
    drain_delay_ms: Arc<AtomicU64>,
    stop: CancellationToken,
    cancel: CancellationToken,
    failed: Arc<OnceLock<&'static str>>,
    cancelled: Arc<AtomicUsize>,
}

/// How a shutdown ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// Every task finished by itself.
    Clean,
    /// The grace period ended, or a second signal arrived.
    Forced {
        /// Tasks that had not finished.
        unfinished: usize,
    },
}

impl Tasks {
    /// Starts a task that the process needs. If it panics, all tasks are asked to stop, because a process without one of its tasks
    /// would look healthy.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let tasks = self.clone();
        self.tracker.spawn(async move {
            if tasks.run(name, task).await {
                let _ = tasks.failed.set(name);
                tasks.stop();
            }
        });
    }

    /// Starts a task that serves one client. If it panics, only this task ends.
    pub fn spawn_isolated(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let tasks = self.clone();
        self.tracker.spawn(async move {
            tasks.run(name, task).await;
        });
    }

    /// Starts a task that runs `step` at once, and again `period` after each run ends, until the tasks are asked to stop.
    /// A run that has begun finishes, unless it is cancelled at the end of the grace period. If it panics, all tasks are asked to stop.
    pub fn every<S, F>(&self, name: &'static str, period: Duration, mut step: S)
    where
        S: FnMut() -> F + Send + 'static,
        F: Future<Output = ()> + Send,
    {
        let tasks = self.clone();
        self.spawn(name, async move {
            loop {
                step().await;
                if !tasks.sleep(period).await {
                    return;
                }
            }
        });
    }

    /// Waits for the time, or until the tasks are asked to stop. Returns whether the task may go on.
    pub async fn sleep(&self, time: Duration) -> bool {
        self.stop.run_until_cancelled(tokio::time::sleep(time)).await.is_some()
    }

    /// Runs a task until it ends or is cancelled. Returns whether it panicked.
    async fn run(&self, name: &'static str, task: impl Future<Output = ()>) -> bool {
        let mut cancel = LazyWake::new(self.cancel.clone().cancelled_owned());
        let mut task = pin!(AssertUnwindSafe(task).catch_unwind());
        let ended = poll_fn(|cx| match cancel.poll(cx) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => task.as_mut().poll(cx).map(Some),
        })
        .await;
        if ended.is_none() {
            self.cancelled.fetch_add(1, Ordering::Relaxed);
        }
        let Some(Err(panic)) = ended else { return false };
        tracing::error!(task = name, "task {name} panicked: {}", panic_message(panic.as_ref()));
        metrics::counter!("firstcome_task_panics_total", "task" => name).increment(1);
        true
    }

    /// Asks for at least this time between the signal and the stop, for a listener whose clients have to learn that it goes away.
    pub fn set_drain_delay(&self, delay: Duration) {
        let ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.drain_delay_ms.fetch_max(ms, Ordering::Relaxed);
    }

    /// Announces the stop, and waits until the clients had the time to go elsewhere, or the tasks are asked to stop. New connections
    /// and requests are still served.
    pub async fn drain(&self) {
        self.announce_stop();
        let delay = Duration::from_millis(self.drain_delay_ms.load(Ordering::Relaxed));
        self.sleep(delay).await;
    }

    /// Waits until the stop is announced.
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Whether the stop was announced, so that no client should stay.
    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }

    fn announce_stop(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
        self.drain.cancel();
    }

    /// Asks every task to stop.
    pub fn stop(&self) {
        self.announce_stop();
        self.stop.cancel();
    }

    /// Waits until the tasks are asked to stop.
    pub async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// Whether the tasks were asked to stop.
    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// The first task started by [`Tasks::spawn`] that panicked. The process should then exit with an error.
    pub fn failed(&self) -> Option<&'static str> {
        self.failed.get().copied()
    }

    /// Listens for SIGTERM and SIGINT from now on. The future resolves after the first signal and the drain delay, or at
    /// [`Tasks::stop`]. Any later signal ends the delay and the grace period of the shutdown.
    pub fn until_signal(&self) -> impl Future<Output = ()> + use<> {
        let signals = Signals::listen();
        let tasks = self.clone();
        async move {
            let Some(mut signals) = signals else { return tasks.stopping().await };
            tokio::select! {
                name = signals.next() => tracing::info!("received {name}: stopping; a second signal stops at once"),
                () = tasks.stopping() => {}
            }
            tokio::select! {
                () = tasks.drain() => {
                    tasks.stop();
                    cancel_at_next_signal(signals, tasks.cancel);
                }
                _ = signals.next() => {
                    tasks.stop();
                    tasks.cancel.cancel();
                }
            }
        }
    }

    /// Asks the tasks to stop, waits at most `grace` for them, then cancels those that still run.
    pub async fn shut_down(&self, grace: Duration) -> Shutdown {
        self.stop();
        self.tracker.close();
        tokio::select! {
            () = self.tracker.wait() => {}
            () = self.cancel.cancelled() => {}
            () = tokio::time::sleep(grace) => self.cancel.cancel(),
        }
        if !self.cancel.is_cancelled() {
            return Shutdown::Clean;
        }
        let _ = tokio::time::timeout(CANCEL_GRACE, self.tracker.wait()).await;
        // A task that blocks its thread cannot be cancelled. It ends with the process.
        let blocked = self.tracker.len();
        let unfinished = self.cancelled.load(Ordering::Relaxed) + blocked;
        if unfinished == 0 {
            return Shutdown::Clean;
        }
        tracing::warn!(unfinished, blocked, "forced shutdown: {unfinished} tasks had not finished");
        Shutdown::Forced { unfinished }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the shutdown must not wait for the task that ends its grace period"
)]
fn cancel_at_next_signal(mut signals: Signals, cancel: CancellationToken) {
    tokio::spawn(async move {
        let name = signals.next().await;
        tracing::warn!("received {name} again: cancelling the tasks that still run");
        cancel.cancel();
    });
}

struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    fn listen() -> Option<Self> {
        let term = signal(SignalKind::terminate());
        let both = term.and_then(|term| Ok(Self { term, int: signal(SignalKind::interrupt())? }));
        let report = |error: &std::io::Error| {
            tracing::error!(%error, "failed to install signal handlers: a signal ends the process without a clean shutdown");
        };
        both.inspect_err(report).ok()
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.term.recv() => "SIGTERM",
            _ = self.int.recv() => "SIGINT",
        }
    }
}

/// The text that a panic carries; `no message` if it carries another type.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
