//! The embedded store: one file, one process, one writer. Promises of the contract are kept by SQLite's transactions;
//! whether the queue is armed, and its catalogue published, is known to this process only.

mod apply;
mod fault;
mod held;
mod lead;
mod read;
mod record;
mod schema;
mod writer;

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::{AppKey, EventId, Now, Number};
use sqlx::Connection;
use sqlx::sqlite::{Sqlite, SqliteConnection, SqlitePool, SqlitePoolOptions};
use tokio::sync::{mpsc, oneshot};

use self::fault::Unwritten;
use self::held::{Held, Memory};
use self::record::Record;
use self::writer::{Command, Done, Work, Writer};
use crate::contract::{
    Applicant, Applied, Entry, Head, InboxEntry, InboxKind, LeadError, PlaceRow, QueueSnapshot, Refused,
};
use crate::lead::{Lead, Led};

/// Writes that may wait; at the pace of one disk this is a fraction of a second.
const WAITING_MAX: usize = 4096;

/// Connections that read.
const READERS: u32 = 4;

/// A process that is just ending, or a handle just dropped, gives the file free within this time.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// A handle on the embedded store; cloning it is cheap. The writer ends with the last one.
#[derive(Clone)]
pub struct SqliteQueue {
    commands: mpsc::Sender<Command>,
    readers: SqlitePool,
    memory: Arc<Memory>,
    now: Now,
}

impl std::fmt::Debug for SqliteQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteQueue").field("memory", &self.memory).finish_non_exhaustive()
    }
}

impl SqliteQueue {
    pub(crate) async fn open(file: &Path, now: Now) -> Result<Self, LeadError> {
        let unusable = |why: String| LeadError::Unavailable(format!("{}: {why}", file.display()));
        let lock = lock(file).await.map_err(unusable)?;
        let options = schema::to_write(file);
        let mut conn =
            SqliteConnection::connect_with(&options).await.map_err(|e| unusable(fault::in_words(&e)))?;
        schema::prepare(&mut conn).await.map_err(|bad| {
            unusable(match bad {
                schema::BadFile::Sql(error) => fault::in_words(&error),
                other => other.to_string(),
            })
        })?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(schema::to_read(file));
        let memory = Arc::new(Memory::default());
        let writer =
            Writer { options, conn: Some(conn), memory: Arc::clone(&memory), now: Arc::clone(&now), lock };
        let (commands, waiting) = mpsc::channel(WAITING_MAX);
        #[expect(clippy::disallowed_methods, reason = "ends when the last handle is dropped")]
        tokio::spawn(writer.run(waiting));
        Ok(Self { commands, readers, memory, now })
    }

    async fn submit(&self, work: Work) -> Result<Done, Unwritten> {
        let (reply, answer) = oneshot::channel();
        self.commands.try_send(Command { work, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                Unwritten::Nothing("too many writes are waiting: try again".to_owned())
            }
            mpsc::error::TrySendError::Closed(_) => Unwritten::Nothing(ENDED.to_owned()),
        })?;
        // The writer ended with the write in its hands.
        answer.await.map_err(|_| Unwritten::Unknown(ENDED.to_owned()))?
    }

    pub(crate) async fn publish(&self, events: &[EventId]) -> Result<(), LeadError> {
        match self.submit(Work::Publish(events.to_vec())).await {
            Ok(_) => Ok(()),
            Err(why) => Err(why.into()),
        }
    }

    pub(crate) async fn apply(&self, event: &EventId, applicant: Applicant) -> Result<Applied, Refused> {
        match self.submit(Work::Apply(event.clone(), applicant)).await {
            Ok(Done::Applied(answer)) => answer,
            Ok(other) => unreachable!("applying is answered in kind, not by {other:?}"),
            Err(why) => Err(why.into()),
        }
    }

    pub(crate) async fn ask(
        &self,
        event: &EventId,
        app_key: AppKey,
        number: Number,
        kind: InboxKind,
    ) -> Result<Option<PlaceRow>, Refused> {
        match self.submit(Work::InboxEntry(event.clone(), app_key, number, kind)).await {
            Ok(Done::Asked(answer)) => answer,
            Ok(other) => unreachable!("asking is answered in kind, not by {other:?}"),
            Err(why) => Err(why.into()),
        }
    }

    pub(crate) async fn present(
        &self,
        event: &EventId,
        app_key: AppKey,
        number: Number,
    ) -> Result<Option<PlaceRow>, Refused> {
        match self.submit(Work::Present(event.clone(), app_key, number)).await {
            Ok(Done::Asked(answer)) => answer,
            Ok(other) => unreachable!("presenting is answered in kind, not by {other:?}"),
            Err(why) => Err(why.into()),
        }
    }

    pub(crate) async fn lead(&self, event: &EventId, fence: i64, lead: Lead) -> Result<Led, LeadError> {
        match self.submit(Work::Lead(event.clone(), fence, Box::new(lead))).await {
            Ok(Done::Led(answer)) => answer,
            Ok(other) => unreachable!("leading is answered in kind, not by {other:?}"),
            Err(why) => Err(why.into()),
        }
    }

    pub(crate) async fn catalogue(&self) -> Result<Vec<EventId>, Refused> {
        if !self.memory.catalogue_armed() {
            return Err(Refused::NotArmed);
        }
        let mut conn = self.reader().await.map_err(refused)?;
        read::catalogue(&mut conn).await.map_err(refused)
    }

    pub(crate) async fn place(&self, event: &EventId, app_key: AppKey) -> Result<Option<PlaceRow>, Refused> {
        let (mut conn, mut held) = self.held(event).await.map_err(refused)?;
        let record = held.listed()?;
        let found = read::place(&mut conn, record, app_key).await.map_err(refused)?;
        found_or_sure(found, &held)
    }

    pub(crate) async fn view(&self, event: &EventId) -> Result<QueueSnapshot, Refused> {
        let (_, held) = self.held(event).await.map_err(refused)?;
        read::view(event, held, (self.now)())
    }

    pub(crate) async fn head(&self, event: &EventId, n: u32) -> Result<Head, LeadError> {
        let (mut conn, held) = self.held(event).await.map_err(unled)?;
        read::head(&mut conn, led(&held)?, n).await.map_err(unled)
    }

    pub(crate) async fn inbox(
        &self,
        event: &EventId,
        after: i64,
        max: u32,
    ) -> Result<Vec<InboxEntry>, LeadError> {
        let (mut conn, held) = self.held(event).await.map_err(unled)?;
        read::inbox(&mut conn, led(&held)?, after, max).await.map_err(unled)
    }

    pub(crate) async fn entries(&self, event: &EventId, after: u32, max: u32) -> Result<Vec<Entry>, Refused> {
        let (mut conn, mut held) = self.held(event).await.map_err(refused)?;
        read::entries(&mut conn, held.listed()?, after, max).await.map_err(refused)
    }

    pub(crate) async fn number_of(&self, event: &EventId, number: Number) -> Result<Option<AppKey>, Refused> {
        let (mut conn, mut held) = self.held(event).await.map_err(refused)?;
        let record = held.listed()?;
        let found = read::number_of(&mut conn, record, number).await.map_err(refused)?;
        found_or_sure(found, &held)
    }

    async fn reader(&self) -> sqlx::Result<sqlx::pool::PoolConnection<Sqlite>> {
        self.readers.acquire().await
    }

    async fn held(&self, event: &EventId) -> sqlx::Result<(sqlx::pool::PoolConnection<Sqlite>, Held)> {
        let mut conn = self.reader().await?;
        let held = Held::load(&mut conn, &self.memory, event).await?;
        Ok((conn, held))
    }
}

const ENDED: &str = "the queue's writer has ended: restart this process";

/// A queue that is not armed may have lost rows, so only what it has is certain.
fn found_or_sure<T>(found: Option<T>, held: &Held) -> Result<Option<T>, Refused> {
    if found.is_none() && !held.armed() { Err(Refused::NotArmed) } else { Ok(found) }
}

fn led(held: &Held) -> Result<&Record, LeadError> {
    let record = held.record.as_ref().ok_or(LeadError::UnknownEvent)?;
    if held.armed() { Ok(record) } else { Err(LeadError::NotArmed) }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn refused(error: sqlx::Error) -> Refused {
    Refused::Unavailable(fault::in_words(&error))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unled(error: sqlx::Error) -> LeadError {
    LeadError::Unavailable(fault::in_words(&error))
}

/// Takes the file for this process. The lock lies beside it, because SQLite's own are given back between transactions.
async fn lock(file: &Path) -> Result<File, String> {
    let mut beside = OsString::from(file);
    beside.push(".lock");
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&beside)
        .map_err(|error| format!("its lock file cannot be opened: check the folder ({error})"))?;
    for _ in 0..LOCK_TRIES {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_PAUSE).await,
            Err(TryLockError::Error(error)) => {
                return Err(format!("its lock file cannot be locked ({error})"));
            }
        }
    }
    Err("another process has this queue open: stop it, or give another file".to_owned())
}
