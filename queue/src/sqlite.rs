//! The embedded store: one file, one process, one writer. SQLite's transactions keep the promises of the contract. Only the
//! memory of this process knows whether a queue is armed and whether the catalogue is published.

mod apply;
mod error;
mod leader;
mod loaded_queue;
mod lock;
mod queue_row;
mod read;
mod schema;
mod step;
mod writer;

use std::path::Path;
use std::sync::Arc;

use domain::{AppKey, EventId, Gaps, Now, Number};
use sqlx::Connection;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{Sqlite, SqliteConnection, SqlitePool, SqlitePoolOptions};
use tokio::sync::{mpsc, oneshot};

use self::apply::ApplicantWrite;
use self::error::WriteError;
use self::leader::LeaderWrite;
use self::loaded_queue::{LoadedQueue, ProcessState};
use self::step::Reply;
use self::writer::{PendingWrite, Write, Writer};
use crate::contract::{
    Applicant, ApplyAck, ArmRequest, ArmResult, Closing, LeaderError, Projection, QueueEntry, QueueError,
    QueueHead, QueueSnapshot, RestoredApplication,
};
use crate::inbox::{CalledReply, CalledRequest, InboxEntry, ShopReport};

/// Writes that may wait; at the rate of one disk this is a fraction of a second.
const WAITING_MAX: usize = 4096;
/// Connections that read.
const READERS: u32 = 4;
const ENDED: &str = "the queue's writer has ended: restart this process";

/// A handle on the embedded store; cloning it is cheap. The writer ends with the last clone.
#[derive(Clone)]
pub struct SqliteQueue {
    writes: mpsc::Sender<PendingWrite>,
    readers: SqlitePool,
    process: Arc<ProcessState>,
    now: Now,
}

impl std::fmt::Debug for SqliteQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteQueue").field("process", &self.process).finish_non_exhaustive()
    }
}

impl SqliteQueue {
    pub(crate) async fn open(file: &Path, now: Now) -> Result<Self, LeaderError> {
        let unusable = |why: String| LeaderError::Unavailable(format!("{}: {why}", file.display()));
        let lock = lock::acquire(file).await.map_err(unusable)?;
        let options = schema::writer_options(file);
        let mut conn =
            SqliteConnection::connect_with(&options).await.map_err(|e| unusable(error::describe(&e)))?;
        schema::prepare(&mut conn).await.map_err(|error| unusable(error.to_string()))?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(schema::reader_options(file));
        let process = Arc::new(ProcessState::default());
        let writer =
            Writer { options, conn: Some(conn), process: Arc::clone(&process), now: Arc::clone(&now), lock };
        let (sender, pending) = mpsc::channel(WAITING_MAX);
        #[expect(clippy::disallowed_methods, reason = "ends when the last handle is dropped")]
        tokio::spawn(writer.run(pending));
        Ok(Self { writes: sender, readers, process, now })
    }

    // -- for all roles

    pub(crate) async fn catalogue(&self) -> Result<Vec<EventId>, QueueError> {
        if !self.process.catalogue_is_armed() {
            return Err(QueueError::NotArmed);
        }
        let mut conn = self.readers.acquire().await?;
        Ok(read::catalogue(&mut conn).await?)
    }

    pub(crate) async fn apply(&self, event: &EventId, applicant: Applicant) -> Result<ApplyAck, QueueError> {
        let write = |reply| Write::Applicant(event.clone(), ApplicantWrite::Apply(applicant, reply));
        self.write(write).await
    }

    pub(crate) async fn cancel(
        &self,
        event: &EventId,
        app_key: AppKey,
        number: Number,
    ) -> Result<Option<QueueEntry>, QueueError> {
        let write = |reply| Write::Applicant(event.clone(), ApplicantWrite::Cancel(app_key, number, reply));
        self.write(write).await
    }

    pub(crate) async fn request_called(
        &self,
        event: &EventId,
        app_key: AppKey,
        number: Number,
        request: CalledRequest,
    ) -> Result<Option<CalledReply>, QueueError> {
        let write = |reply| {
            Write::Applicant(event.clone(), ApplicantWrite::RequestCalled(app_key, number, request, reply))
        };
        self.write(write).await
    }

    pub(crate) async fn report(
        &self,
        event: &EventId,
        app_key: AppKey,
        number: Number,
        report: ShopReport,
    ) -> Result<Option<QueueEntry>, QueueError> {
        let write =
            |reply| Write::Applicant(event.clone(), ApplicantWrite::Report(app_key, number, report, reply));
        self.write(write).await
    }

    pub(crate) async fn present_receipt(
        &self,
        event: &EventId,
        app_key: AppKey,
        number: Number,
    ) -> Result<Option<QueueEntry>, QueueError> {
        let write =
            |reply| Write::Applicant(event.clone(), ApplicantWrite::PresentReceipt(app_key, number, reply));
        self.write(write).await
    }

    pub(crate) async fn entry(
        &self,
        event: &EventId,
        app_key: AppKey,
    ) -> Result<Option<QueueEntry>, QueueError> {
        let (mut conn, queue) = self.load(event).await?;
        let entry = read::entry(&mut conn, queue.listed()?, app_key).await?;
        found_or_not_armed(entry, &queue)
    }

    pub(crate) async fn snapshot(&self, event: &EventId) -> Result<QueueSnapshot, QueueError> {
        let (_, queue) = self.load(event).await?;
        read::snapshot(event, queue, (self.now)())
    }

    pub(crate) async fn entries(
        &self,
        event: &EventId,
        after: u32,
        max: u32,
    ) -> Result<Vec<QueueEntry>, QueueError> {
        let (mut conn, queue) = self.load(event).await?;
        Ok(read::entries(&mut conn, queue.listed()?, after, max).await?)
    }

    pub(crate) async fn app_key_of(
        &self,
        event: &EventId,
        number: Number,
    ) -> Result<Option<AppKey>, QueueError> {
        let (mut conn, queue) = self.load(event).await?;
        let app_key = read::app_key_of(&mut conn, queue.listed()?, number).await?;
        found_or_not_armed(app_key, &queue)
    }

    // -- for the leader

    pub(crate) async fn publish(&self, events: &[EventId]) -> Result<(), LeaderError> {
        self.write(|reply| Write::Publish(events.to_vec(), reply)).await
    }

    pub(crate) async fn arm(
        &self,
        event: &EventId,
        fence: i64,
        request: ArmRequest,
    ) -> Result<ArmResult, LeaderError> {
        self.write_as_leader(event, fence, |reply| LeaderWrite::Arm(request, reply)).await
    }

    pub(crate) async fn project(
        &self,
        event: &EventId,
        fence: i64,
        projection: Projection,
    ) -> Result<(), LeaderError> {
        self.write_as_leader(event, fence, |reply| LeaderWrite::Project(projection, reply)).await
    }

    pub(crate) async fn head(&self, event: &EventId, n: u32) -> Result<QueueHead, LeaderError> {
        let (mut conn, queue) = self.load(event).await?;
        Ok(read::head(&mut conn, queue.armed_row()?, n).await?)
    }

    pub(crate) async fn admitted(
        &self,
        event: &EventId,
        fence: i64,
        through: u32,
        keys: &[AppKey],
        ledger_changes: i64,
    ) -> Result<(), LeaderError> {
        let keys = keys.to_vec();
        let write = |reply| LeaderWrite::Admitted { through, keys, ledger_changes, reply };
        self.write_as_leader(event, fence, write).await
    }

    pub(crate) async fn inbox(
        &self,
        event: &EventId,
        after: i64,
        max: u32,
    ) -> Result<Vec<InboxEntry>, LeaderError> {
        let (mut conn, queue) = self.load(event).await?;
        Ok(read::inbox(&mut conn, queue.armed_row()?, after, max).await?)
    }

    pub(crate) async fn acknowledge(
        &self,
        event: &EventId,
        fence: i64,
        through: i64,
        ledger_changes: i64,
    ) -> Result<(), LeaderError> {
        let write = |reply| LeaderWrite::Acknowledge { through, ledger_changes, reply };
        self.write_as_leader(event, fence, write).await
    }

    pub(crate) async fn restore(
        &self,
        event: &EventId,
        fence: i64,
        rows: &[RestoredApplication],
    ) -> Result<(), LeaderError> {
        self.write_as_leader(event, fence, |reply| LeaderWrite::Restore(rows.to_vec(), reply)).await
    }

    pub(crate) async fn replace_gaps(
        &self,
        event: &EventId,
        fence: i64,
        gaps: &Gaps,
    ) -> Result<(), LeaderError> {
        self.write_as_leader(event, fence, |reply| LeaderWrite::ReplaceGaps(gaps.clone(), reply)).await
    }

    pub(crate) async fn settle(&self, event: &EventId, fence: i64) -> Result<Closing, LeaderError> {
        self.write_as_leader(event, fence, LeaderWrite::Settle).await
    }

    // --

    async fn write_as_leader<T>(
        &self,
        event: &EventId,
        fence: i64,
        write: impl FnOnce(Reply<T, LeaderError>) -> LeaderWrite,
    ) -> Result<T, LeaderError> {
        self.write(|reply| Write::Leader(event.clone(), fence, Box::new(write(reply)))).await
    }

    /// Hands a write to the writer. Its result counts once the transaction is committed.
    async fn write<T, E: From<WriteError>>(&self, write: impl FnOnce(Reply<T, E>) -> Write) -> Result<T, E> {
        let (reply, result) = oneshot::channel();
        let (committed, commit) = oneshot::channel();
        self.writes.try_send(PendingWrite { write: write(reply), committed }).map_err(
            |error| match error {
                mpsc::error::TrySendError::Full(_) => {
                    WriteError::NotDone("too many writes are waiting: try again".to_owned())
                }
                mpsc::error::TrySendError::Closed(_) => WriteError::NotDone(ENDED.to_owned()),
            },
        )?;
        // If the writer ends before it answers, the write may have been committed.
        let ended = |_| WriteError::Unknown(ENDED.to_owned());
        commit.await.map_err(ended)??;
        result.await.map_err(ended)?
    }

    async fn load(&self, event: &EventId) -> sqlx::Result<(PoolConnection<Sqlite>, LoadedQueue)> {
        let mut conn = self.readers.acquire().await?;
        let queue = LoadedQueue::load(&mut conn, &self.process, event).await?;
        Ok((conn, queue))
    }
}

/// A queue that is not armed may have lost rows, so only what it has is certain.
fn found_or_not_armed<T>(found: Option<T>, queue: &LoadedQueue) -> Result<Option<T>, QueueError> {
    if found.is_none() && !queue.is_armed() { Err(QueueError::NotArmed) } else { Ok(found) }
}
