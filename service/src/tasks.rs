//! Everything that runs on its own, and how it is told to stop: first softly, then by being dropped.

use std::any::Any;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::lazy_timer::Seldom;

/// How long dropped tasks get to be gone; only one that blocks its thread takes longer.
const DROP_GRACE: Duration = Duration::from_secs(1);

/// The tasks of a process. A clone is the same set.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    soft: CancellationToken,
    hard: CancellationToken,
    failed: Arc<OnceLock<&'static str>>,
    dropped: Arc<AtomicUsize>,
}

/// How the shutdown went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every task finished by itself.
    Cleanly,
    /// Time ran out, or a second signal came.
    Cut {
        /// Tasks that were dropped.
        left: usize,
    },
}

impl Tasks {
    /// Starts a chore of the process. If it panics, the whole process stops: half a process must not go on in silence.
    pub fn spawn(&self, name: &'static str, chore: impl Future<Output = ()> + Send + 'static) {
        let tasks = self.clone();
        self.tracker.spawn(async move {
            if tasks.run(name, chore).await {
                let _ = tasks.failed.set(name);
                tasks.stop();
            }
        });
    }

    /// Starts a task that serves one client. If it panics, only that client is hurt.
    pub fn spawn_for_one(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let tasks = self.clone();
        self.tracker.spawn(async move {
            tasks.run(name, work).await;
        });
    }

    /// Runs it until it ends or is cut; says whether it panicked.
    async fn run(&self, name: &'static str, work: impl Future<Output = ()>) -> bool {
        let mut cut = Seldom::new(self.hard.clone().cancelled_owned());
        let mut work = pin!(AssertUnwindSafe(work).catch_unwind());
        let ended = poll_fn(|cx| match cut.poll(cx) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => work.as_mut().poll(cx).map(Some),
        })
        .await;
        if ended.is_none() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        let Some(Err(panic)) = ended else { return false };
        tracing::error!(task = name, "task {name} panicked: {}", message(panic.as_ref()));
        metrics::counter!("firstcome_task_panics_total", "task" => name).increment(1);
        true
    }

    /// Asks every task to come to its end.
    pub fn stop(&self) {
        self.soft.cancel();
    }

    /// Waits until the tasks are asked to stop.
    pub async fn stopping(&self) {
        self.soft.cancelled().await;
    }

    /// Whether the tasks were asked to stop.
    pub fn is_stopping(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// The first chore that panicked, if one did: the process should then end with an error.
    pub fn failed(&self) -> Option<&'static str> {
        self.failed.get().copied()
    }

    /// Listens for SIGTERM and SIGINT from now on; the future resolves at the first one, or at [`Tasks::stop`].
    /// Any signal after that cuts the shutdown short.
    pub fn until_signal(&self) -> impl Future<Output = ()> + use<> {
        let signals = Signals::listen();
        let tasks = self.clone();
        async move {
            let Some(mut signals) = signals else { return tasks.stopping().await };
            tokio::select! {
                name = signals.next() => tracing::info!("{name}: stopping; a second one stops at once"),
                () = tasks.stopping() => {}
            }
            tasks.stop();
            cut_at_next(signals, tasks.hard);
        }
    }

    /// Stops softly, waits for the tasks at most so long, then drops what is left.
    pub async fn shut_down(&self, grace: Duration) -> Ended {
        self.stop();
        self.tracker.close();
        tokio::select! {
            () = self.tracker.wait() => {}
            () = self.hard.cancelled() => {}
            () = tokio::time::sleep(grace) => self.hard.cancel(),
        }
        if !self.hard.is_cancelled() {
            return Ended::Cleanly;
        }
        let _ = tokio::time::timeout(DROP_GRACE, self.tracker.wait()).await;
        // Those that block their thread cannot be dropped; the process ends with them.
        let blocked = self.tracker.len();
        let left = self.dropped.load(Ordering::Relaxed) + blocked;
        if left == 0 {
            return Ended::Cleanly;
        }
        tracing::warn!(left, blocked, "shutdown cut {left} tasks that had not finished");
        Ended::Cut { left }
    }
}

#[expect(clippy::disallowed_methods, reason = "shutdown must not wait for the one that cuts it short")]
fn cut_at_next(mut signals: Signals, hard: CancellationToken) {
    tokio::spawn(async move {
        let name = signals.next().await;
        tracing::warn!("{name} again: dropping what still runs");
        hard.cancel();
    });
}

struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    fn listen() -> Option<Self> {
        let both =
            signal(SignalKind::terminate()).and_then(|term| Ok((term, signal(SignalKind::interrupt())?)));
        match both {
            Ok((term, int)) => Some(Self { term, int }),
            Err(error) => {
                tracing::error!(%error, "signals cannot be caught: the process will not stop in order");
                None
            }
        }
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.term.recv() => "SIGTERM",
            _ = self.int.recv() => "SIGINT",
        }
    }
}

/// What a panic said.
pub(crate) fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
