//! The handle on the queue, the same for each store.

use std::path::Path;

use domain::{AppKey, EventId, Gaps, Now, Number};

use crate::contract::{
    Applicant, ApplyAck, ArmRequest, ArmResult, Closing, LeaderError, Projection, QueueEntry, QueueError,
    QueueHead, QueueJournal, QueueSnapshot, RestoredApplication,
};
use crate::inbox::{CalledReply, CalledRequest, InboxEntry, ShopReport};
use crate::redis::{RedisOptions, RedisQueue, ServerFinding};
use crate::sqlite::SqliteQueue;

/// A handle on the queue; cloning it is cheap.
#[derive(Debug, Clone)]
pub enum Queue {
    /// The embedded store: one file, one process.
    Sqlite(SqliteQueue),
    /// The production store: a Redis server for the queue alone, many processes.
    Redis(RedisQueue),
}

impl Queue {
    /// Opens the embedded store and creates the file if it is missing. `now` is the queue's clock. Nothing is armed yet.
    ///
    /// The file stays locked until the last clone is dropped and its writes are done. Another process that opens it meanwhile
    /// waits up to one second and then gets an error.
    pub async fn open_sqlite(file: &Path, now: Now) -> Result<Self, LeaderError> {
        SqliteQueue::open(file, now).await.map(Self::Sqlite)
    }

    /// Opens the production store.
    ///
    /// The error names every reason: a server that is not durable, is shared, is a replica or has a known vulnerability;
    /// functions that are not installed; a user without the rights of its role.
    pub async fn open_redis(options: RedisOptions) -> Result<Self, LeaderError> {
        RedisQueue::open(options).await.map(Self::Redis)
    }

    /// Loads this version's functions into the server, unless they are there. Older versions stay for the processes that still
    /// use them. Each version has to be armed on its own.
    pub async fn install_redis(options: &RedisOptions) -> Result<(), LeaderError> {
        RedisQueue::install(options).await
    }

    /// Checks the store's server and returns what is wrong with it. Call it each minute. The embedded store has no server.
    pub async fn check(&self) -> Vec<ServerFinding> {
        match self {
            Self::Sqlite(_) => Vec::new(),
            Self::Redis(queue) => queue.check().await,
        }
    }

    // -- for all roles

    /// Returns the published events, or `NotArmed` until the leader has published them since the start.
    pub async fn catalogue(&self) -> Result<Vec<EventId>, QueueError> {
        match self {
            Self::Sqlite(queue) => queue.catalogue().await,
            Self::Redis(queue) => queue.catalogue().await,
        }
    }

    /// Gives the next number, durably, or returns the one that the application already has: also while the event is closed or
    /// on hold. A refused application uses no number.
    pub async fn apply(&self, event: &EventId, applicant: Applicant) -> Result<ApplyAck, QueueError> {
        match self {
            Self::Sqlite(queue) => queue.apply(event, applicant).await,
            Self::Redis(queue) => queue.apply(event, applicant).await,
        }
    }

    /// Writes a cancel request into the inbox, once, and withdraws an application that waits above `admitted_through`. A withdrawn
    /// application, one with an outcome other than ordered, and those of a settled event stay as they are.
    ///
    /// Returns the application after that. Without an application of this key and number it returns `None` and writes nothing.
    pub async fn cancel(
        &self,
        event: &EventId,
        app_key: AppKey,
        number: Number,
    ) -> Result<Option<QueueEntry>, QueueError> {
        match self {
            Self::Sqlite(queue) => queue.cancel(event, app_key, number).await,
            Self::Redis(queue) => queue.cancel(event, app_key, number).await,
        }
    }

    /// Writes the request of a called applicant into the inbox, once, stamped with the queue's clock, unless the applicant's time is
    /// over, or the applicant is not called, has confirmed or requested to cancel. More time is given once only. A confirmation that was
    /// accepted is in [`domain::CalledWindow::confirmed`] from then on.
    ///
    /// Without an application of this key and number it returns `None` and writes nothing.
    pub async fn request_called(
        &self,
        event: &EventId,
        app_key: AppKey,
        number: Number,
        request: CalledRequest,
    ) -> Result<Option<CalledReply>, QueueError> {
        match self {
            Self::Sqlite(queue) => queue.request_called(event, app_key, number, request).await,
            Self::Redis(queue) => queue.request_called(event, app_key, number, request).await,
        }
    }

    /// Writes the shop's report about the application of this key and number into the inbox, and returns the application as it is now. A
    /// report may be repeated. Without such an application it returns `None` and writes nothing.
    pub async fn report(
        &self,
        event: &EventId,
        app_key: AppKey,
        number: Number,
        report: ShopReport,
    ) -> Result<Option<QueueEntry>, QueueError> {
        match self {
            Self::Sqlite(queue) => queue.report(event, app_key, number, report).await,
            Self::Redis(queue) => queue.report(event, app_key, number, report).await,
        }
    }

    /// Returns the application of a receipt. If the queue does not have it, the result is `None`, and a request to restore it is written
    /// into the inbox, once, unless the event is settled, or the number belongs to another application or was never given. The caller
    /// has checked the receipt's signature.
    pub async fn present_receipt(
        &self,
        event: &EventId,
        app_key: AppKey,
        number: Number,
    ) -> Result<Option<QueueEntry>, QueueError> {
        match self {
            Self::Sqlite(queue) => queue.present_receipt(event, app_key, number).await,
            Self::Redis(queue) => queue.present_receipt(event, app_key, number).await,
        }
    }

    /// Returns the application with this key; `None` if there is none. An unarmed queue never returns `None`: it may have lost the
    /// application.
    pub async fn entry(&self, event: &EventId, app_key: AppKey) -> Result<Option<QueueEntry>, QueueError> {
        match self {
            Self::Sqlite(queue) => queue.entry(event, app_key).await,
            Self::Redis(queue) => queue.entry(event, app_key).await,
        }
    }

    /// Returns the queue at this moment, armed or not. On Redis, this disarms a queue that has fewer numbers than it acknowledged to this
    /// process.
    pub async fn snapshot(&self, event: &EventId) -> Result<QueueSnapshot, QueueError> {
        match self {
            Self::Sqlite(queue) => queue.snapshot(event).await,
            Self::Redis(queue) => queue.snapshot(event).await,
        }
    }

    /// Returns the applications with a number above `after`, in order, at most `max`; armed or not.
    pub async fn entries(
        &self,
        event: &EventId,
        after: u32,
        max: u32,
    ) -> Result<Vec<QueueEntry>, QueueError> {
        match self {
            Self::Sqlite(queue) => queue.entries(event, after, max).await,
            Self::Redis(queue) => queue.entries(event, after, max).await,
        }
    }

    /// Returns the key of the application with this number; `None` if there is none. An unarmed queue never returns `None`.
    pub async fn app_key_of(&self, event: &EventId, number: Number) -> Result<Option<AppKey>, QueueError> {
        match self {
            Self::Sqlite(queue) => queue.app_key_of(event, number).await,
            Self::Redis(queue) => queue.app_key_of(event, number).await,
        }
    }

    // -- for the leader

    /// Replaces the catalogue with these events, and arms it.
    pub async fn publish(&self, events: &[EventId]) -> Result<(), LeaderError> {
        match self {
            Self::Sqlite(queue) => queue.publish(events).await,
            Self::Redis(queue) => queue.publish(events).await,
        }
    }

    /// Creates the queue if it is missing, takes it into a new epoch above every number that may have been given, and lets it
    /// take writes. Numbers are given again once `project` has raised the limit.
    pub async fn arm(
        &self,
        event: &EventId,
        fence: i64,
        request: ArmRequest,
    ) -> Result<ArmResult, LeaderError> {
        match self {
            Self::Sqlite(queue) => queue.arm(event, fence, request).await,
            Self::Redis(queue) => queue.arm(event, fence, &request).await,
        }
    }

    /// Projects the ledger into the queue, armed or not. Nothing older replaces anything newer; see [`Projection`].
    pub async fn project(
        &self,
        event: &EventId,
        fence: i64,
        projection: Projection,
    ) -> Result<(), LeaderError> {
        match self {
            Self::Sqlite(queue) => queue.project(event, fence, projection).await,
            Self::Redis(queue) => queue.project(event, fence, &projection).await,
        }
    }

    /// Returns the first `n` waiting applications in order. Examines at most 4096 numbers above `admitted_through`.
    pub async fn head(&self, event: &EventId, n: u32) -> Result<QueueHead, LeaderError> {
        match self {
            Self::Sqlite(queue) => queue.head(event, n).await,
            Self::Redis(queue) => queue.head(event, n).await,
        }
    }

    /// Marks these applications as admitted, and all numbers up to `through` as processed. `ledger_changes` is the ledger's count of
    /// changes after their admission. Repeating it changes nothing.
    pub async fn admitted(
        &self,
        event: &EventId,
        fence: i64,
        through: u32,
        keys: &[AppKey],
        ledger_changes: i64,
    ) -> Result<(), LeaderError> {
        match self {
            Self::Sqlite(queue) => queue.admitted(event, fence, through, keys, ledger_changes).await,
            Self::Redis(queue) => queue.admitted(event, fence, through, keys, ledger_changes).await,
        }
    }

    /// Returns the requests above position `after`, in order, at most `max`. On Redis at most 4096, so the caller calls again.
    pub async fn inbox(&self, event: &EventId, after: i64, max: u32) -> Result<Vec<InboxEntry>, LeaderError> {
        match self {
            Self::Sqlite(queue) => queue.inbox(event, after, max).await,
            Self::Redis(queue) => queue.inbox(event, after, max).await,
        }
    }

    /// Deletes the requests up to this position: the ledger has them, and this is its count of changes after that.
    pub async fn acknowledge(
        &self,
        event: &EventId,
        fence: i64,
        through: i64,
        ledger_changes: i64,
    ) -> Result<(), LeaderError> {
        match self {
            Self::Sqlite(queue) => queue.acknowledge(event, fence, through, ledger_changes).await,
            Self::Redis(queue) => queue.acknowledge(event, fence, through, ledger_changes).await,
        }
    }

    /// Restores applications that the queue has lost, armed or not. Repeating it changes nothing, but an application that was
    /// restored without its secret gets it, and a waiting one its contact. Rows that contradict the queue are left out and counted in
    /// [`LeaderError::Conflicts`].
    pub async fn restore(
        &self,
        event: &EventId,
        fence: i64,
        rows: &[RestoredApplication],
    ) -> Result<(), LeaderError> {
        match self {
            Self::Sqlite(queue) => queue.restore(event, fence, rows).await,
            Self::Redis(queue) => queue.restore(event, fence, rows).await,
        }
    }

    /// Replaces the ranges of skipped numbers, after applications were restored into them.
    pub async fn replace_gaps(&self, event: &EventId, fence: i64, gaps: &Gaps) -> Result<(), LeaderError> {
        match self {
            Self::Sqlite(queue) => queue.replace_gaps(event, fence, gaps).await,
            Self::Redis(queue) => queue.replace_gaps(event, fence, gaps).await,
        }
    }

    /// Returns the journals of the processes that acknowledge applications to the event. The embedded store has none: all of it is in
    /// one file.
    pub async fn journals(&self, event: &EventId) -> Result<Vec<QueueJournal>, LeaderError> {
        match self {
            Self::Sqlite(_) => Ok(Vec::new()),
            Self::Redis(queue) => queue.journals(event).await,
        }
    }

    /// Returns the journals whose processes have reported since the queue was armed last, each with the last number that the process
    /// got from the queue; armed or not.
    pub async fn reports(&self, event: &EventId) -> Result<Vec<(String, u32)>, LeaderError> {
        match self {
            Self::Sqlite(_) => Ok(Vec::new()),
            Self::Redis(queue) => queue.reports(event).await,
        }
    }

    /// Tells the queue that the ledger has registered these journals. Their processes acknowledge applications from then on.
    pub async fn keep_journals(
        &self,
        event: &EventId,
        fence: i64,
        ids: &[String],
    ) -> Result<(), LeaderError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Redis(queue) => queue.keep_journals(event, fence, ids).await,
        }
    }

    /// Closes the queue for good, if it is not closed yet.
    pub async fn settle(&self, event: &EventId, fence: i64) -> Result<Closing, LeaderError> {
        match self {
            Self::Sqlite(queue) => queue.settle(event, fence).await,
            Self::Redis(queue) => queue.settle(event, fence).await,
        }
    }
}
