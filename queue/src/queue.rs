//! The queue's public type, the same for each store.

use std::path::Path;

use domain::{AppKey, EventId, Now, Number};

use crate::contract::{
    Applicant, Applied, Armed, Arming, Closing, Entry, Head, InboxEntry, InboxKind, LeadError, PlaceRow,
    Projection, QueueSnapshot, Refused, Restored,
};
use crate::lead::{Lead, Led};
use crate::redis::{Finding, RedisOptions, RedisQueue};
use crate::sqlite::SqliteQueue;

/// A handle on the queue; cloning it is cheap.
#[derive(Debug, Clone)]
pub enum Queue {
    /// The embedded store: one file, one process.
    Sqlite(SqliteQueue),
    /// The production store: a Redis of the queue's own, many processes.
    Redis(RedisQueue),
}

impl Queue {
    /// Opens the embedded store, made if missing. `now` is the queue's clock. Nothing is armed yet.
    ///
    /// The file stays locked until the last clone is dropped and its writes are done; a process that opens it meanwhile
    /// waits up to a second, then is told.
    pub async fn open_sqlite(file: &Path, now: Now) -> Result<Self, LeadError> {
        SqliteQueue::open(file, now).await.map(Self::Sqlite)
    }

    /// Opens the production store. Refused, with all reasons: a server that is not durable, is shared, is a replica or known
    /// to be unsafe; functions that are not installed; a user without the rights of its role.
    pub async fn open_redis(options: RedisOptions) -> Result<Self, LeadError> {
        RedisQueue::open(options).await.map(Self::Redis)
    }

    /// Loads this version's functions into the server, unless they are there. Older versions stay, for processes that still
    /// use them; each version arms its lines for itself.
    pub async fn install_redis(options: &RedisOptions) -> Result<(), LeadError> {
        RedisQueue::install(options).await
    }

    /// What is not as it should be with the store's server; to be asked each minute. The embedded store has none.
    pub async fn check(&self) -> Vec<Finding> {
        match self {
            Self::Sqlite(_) => Vec::new(),
            Self::Redis(queue) => queue.check().await,
        }
    }

    // -- all roles

    /// The published events; `NotArmed` until the leader has published them since the start.
    pub async fn catalogue(&self) -> Result<Vec<EventId>, Refused> {
        match self {
            Self::Sqlite(queue) => queue.catalogue().await,
            Self::Redis(queue) => queue.catalogue().await,
        }
    }

    /// Gives the next number, durably, or tells the one that the application already has: an event that is closed or on
    /// hold still answers who is in it. A refused application uses no number.
    pub async fn apply(&self, event: &EventId, applicant: Applicant) -> Result<Applied, Refused> {
        match self {
            Self::Sqlite(queue) => queue.apply(event, applicant).await,
            Self::Redis(queue) => queue.apply(event, applicant).await,
        }
    }

    /// Writes the request into the inbox, once, and withdraws who was not passed yet. The place after it; `None`, and nothing is
    /// written, if there is no application with this key and this number.
    pub async fn ask(
        &self,
        event: &EventId,
        app_key: AppKey,
        number: Number,
        kind: InboxKind,
    ) -> Result<Option<PlaceRow>, Refused> {
        match self {
            Self::Sqlite(queue) => queue.ask(event, app_key, number, kind).await,
            Self::Redis(queue) => queue.ask(event, app_key, number, kind).await,
        }
    }

    /// Restores a number by its receipt. The place, if the queue knows it; else the leader is asked, once, to bring the
    /// application back, and the answer is `None`. The caller has checked the receipt's signature.
    pub async fn present(
        &self,
        event: &EventId,
        app_key: AppKey,
        number: Number,
    ) -> Result<Option<PlaceRow>, Refused> {
        match self {
            Self::Sqlite(queue) => queue.present(event, app_key, number).await,
            Self::Redis(queue) => queue.present(event, app_key, number).await,
        }
    }

    /// One application; `None` if none has that key. An unarmed queue returns only what it has, never `None`.
    pub async fn place(&self, event: &EventId, app_key: AppKey) -> Result<Option<PlaceRow>, Refused> {
        match self {
            Self::Sqlite(queue) => queue.place(event, app_key).await,
            Self::Redis(queue) => queue.place(event, app_key).await,
        }
    }

    /// The queue at this moment, armed or not.
    pub async fn view(&self, event: &EventId) -> Result<QueueSnapshot, Refused> {
        match self {
            Self::Sqlite(queue) => queue.view(event).await,
            Self::Redis(queue) => queue.view(event).await,
        }
    }

    /// All applications with a number above `after`, in order, at most `max`; armed or not.
    pub async fn entries(&self, event: &EventId, after: u32, max: u32) -> Result<Vec<Entry>, Refused> {
        match self {
            Self::Sqlite(queue) => queue.entries(event, after, max).await,
            Self::Redis(queue) => queue.entries(event, after, max).await,
        }
    }

    /// The application with the number; `None` if there is none. An unarmed queue returns only what it has, never `None`.
    pub async fn number_of(&self, event: &EventId, number: Number) -> Result<Option<AppKey>, Refused> {
        match self {
            Self::Sqlite(queue) => queue.number_of(event, number).await,
            Self::Redis(queue) => queue.number_of(event, number).await,
        }
    }

    // -- for the leader

    /// Makes these the events there are, and arms the catalogue.
    pub async fn publish(&self, events: &[EventId]) -> Result<(), LeadError> {
        match self {
            Self::Sqlite(queue) => queue.publish(events).await,
            Self::Redis(queue) => queue.publish(events).await,
        }
    }

    /// Makes the queue if it is missing, takes it into a new epoch above every number that may have been given, and lets it
    /// take writes. Numbers are given again once `project` has raised the limit.
    pub async fn arm(&self, event: &EventId, fence: i64, arming: Arming) -> Result<Armed, LeadError> {
        match self.lead(event, fence, Lead::Arm(arming)).await? {
            Led::Armed(armed) => Ok(armed),
            other => unreachable!("arming is answered in kind, not by {other:?}"),
        }
    }

    /// Writes what the ledger says into the queue, armed or not. Nothing older replaces anything newer; see [`Projection`].
    pub async fn project(
        &self,
        event: &EventId,
        fence: i64,
        projection: Projection,
    ) -> Result<(), LeadError> {
        self.lead(event, fence, Lead::Project(projection)).await.map(drop)
    }

    /// The first `n` waiting, those that were passed by first; looks over at most 4096 numbers above `admitted_through`.
    pub async fn head(&self, event: &EventId, n: u32) -> Result<Head, LeadError> {
        match self {
            Self::Sqlite(queue) => queue.head(event, n).await,
            Self::Redis(queue) => queue.head(event, n).await,
        }
    }

    /// Marks these as in the ledger, and all numbers up to `through` as processed. Repeating it changes nothing.
    pub async fn admitted(
        &self,
        event: &EventId,
        fence: i64,
        through: u32,
        keys: &[AppKey],
    ) -> Result<(), LeadError> {
        self.lead(event, fence, Lead::Admitted { through, keys: keys.to_vec() }).await.map(drop)
    }

    /// The requests above position `after`, in order, at most `max`.
    pub async fn inbox(&self, event: &EventId, after: i64, max: u32) -> Result<Vec<InboxEntry>, LeadError> {
        match self {
            Self::Sqlite(queue) => queue.inbox(event, after, max).await,
            Self::Redis(queue) => queue.inbox(event, after, max).await,
        }
    }

    /// Forgets the requests up to this position: the ledger has them.
    pub async fn acknowledge(&self, event: &EventId, fence: i64, through: i64) -> Result<(), LeadError> {
        self.lead(event, fence, Lead::Acknowledge { through }).await.map(drop)
    }

    /// Brings back what the queue has lost, armed or not. Repeating it changes nothing; rows that contradict the queue are
    /// left out and counted in [`LeadError::Conflicts`].
    pub async fn restore(&self, event: &EventId, fence: i64, rows: &[Restored]) -> Result<(), LeadError> {
        self.lead(event, fence, Lead::Restore(rows.to_vec())).await.map(drop)
    }

    /// Closes the queue for good, if it is not closed yet.
    pub async fn settle(&self, event: &EventId, fence: i64) -> Result<Closing, LeadError> {
        match self.lead(event, fence, Lead::Settle).await? {
            Led::Closed(closing) => Ok(closing),
            other => unreachable!("settling is answered in kind, not by {other:?}"),
        }
    }

    async fn lead(&self, event: &EventId, fence: i64, lead: Lead) -> Result<Led, LeadError> {
        match self {
            Self::Sqlite(queue) => queue.lead(event, fence, lead).await,
            Self::Redis(queue) => queue.lead(event, fence, lead).await,
        }
    }
}
