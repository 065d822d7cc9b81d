//! The signal of a leader's term to the tasks that send domain events: the leader numbered some, or the term ended.

use std::time::Duration;

use tokio::sync::watch;

use crate::context::WorkerContext;

/// The count of domain events that the leader numbered in this term. The tasks end when it is dropped.
pub(crate) type Numbered = watch::Sender<u64>;

/// A task's end of the signal.
pub(crate) type TermSignal = watch::Receiver<u64>;

/// Waits for the time, or until the leader has numbered domain events. Returns whether the term goes on.
pub(crate) async fn wait(worker: &WorkerContext, term: &mut TermSignal, time: Duration) -> bool {
    if worker.is_stopping() || term.has_changed().is_err() {
        return false;
    }
    if time.is_zero() {
        return true;
    }
    tokio::select! {
        changed = term.changed() => changed.is_ok(),
        () = worker.sleep(time) => !worker.is_stopping(),
    }
}

/// Waits until the term ends or the process is asked to stop.
pub(crate) async fn until_end(worker: &WorkerContext, term: &mut TermSignal) {
    tokio::select! {
        () = async { while term.changed().await.is_ok() {} } => {}
        () = worker.context.tasks.stopping() => {}
    }
}
