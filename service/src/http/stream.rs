//! The task of an HTTP/2 stream, and how its client reads the response. A client that reads nothing stalls only its own stream, whose
//! body is not polled meanwhile; so the time is kept beside the stream, and ends it.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::rt::Executor;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::limits::Limits;
use super::rate::MinimumRate;
use super::timeouts::Activity;
use crate::lazy::LazyTimer;
use crate::tasks::Tasks;

tokio::task_local! {
    /// The reader of the response that this task sends.
    static READER: ResponseReader;
}

/// The client of one stream as it reads the response.
#[derive(Debug, Clone)]
pub(super) struct ResponseReader {
    progress: Arc<Mutex<ReaderProgress>>,
    /// What happens on the connection.
    activity: Arc<Activity>,
}

#[derive(Debug)]
struct ReaderProgress {
    rate: MinimumRate,
    /// Bytes that the client has still to read.
    offered: u64,
}

impl ResponseReader {
    fn new(limits: &Limits, activity: Arc<Activity>) -> Self {
        let rate = MinimumRate::new(limits.response_rate_min, limits.write_stall_timeout);
        Self { progress: Arc::new(Mutex::new(ReaderProgress { rate, offered: 0 })), activity }
    }

    /// The reader of the stream whose task this is; `None` over HTTP/1.1, where the socket itself stalls.
    pub(super) fn of_task() -> Option<Self> {
        READER.try_with(Self::clone).ok()
    }

    /// From now on the client is to read so many bytes.
    pub(super) fn offer(&self, size: u64) {
        let mut progress = self.progress.lock();
        progress.offered = size;
        progress.rate.wait();
    }

    /// The client has read what it was offered. The lowest rate is that of the connection, as over HTTP/1.1: its streams share it.
    pub(super) fn has_read(&self) {
        let mut progress = self.progress.lock();
        let size = std::mem::take(&mut progress.offered);
        progress.rate.transferred(size.saturating_mul(self.activity.in_flight().max(1)));
    }

    /// The time until which the client may read nothing, if it is to read something.
    fn deadline(&self) -> Option<Instant> {
        self.progress.lock().rate.deadline()
    }
}

/// Runs the streams of a connection as tasks, each within its time. The shutdown waits for them.
#[derive(Clone)]
pub(super) struct StreamExecutor {
    pub(super) tasks: Tasks,
    pub(super) limits: Arc<Limits>,
    pub(super) activity: Arc<Activity>,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for StreamExecutor {
    fn execute(&self, stream: F) {
        let reader = ResponseReader::new(&self.limits, Arc::clone(&self.activity));
        let running = run(stream, reader.clone(), self.limits.stream_timeout);
        self.tasks.spawn_isolated("http stream", READER.scope(reader, running));
    }
}

/// Runs a stream until it ends, or its time does. Dropping it resets it.
async fn run(stream: impl Future<Output = ()>, reader: ResponseReader, timeout: Duration) {
    let end = Instant::now() + timeout;
    let mut timer = LazyTimer::new(end);
    let mut stream = pin!(stream);
    poll_fn(|cx| {
        if stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        timer.set(reader.deadline().map_or(end, |deadline| deadline.min(end)));
        timer.poll(cx)
    })
    .await;
}
