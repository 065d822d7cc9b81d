//! The production store: a Redis or Valkey server for the queue alone. Its functions (`redis/queue.lua`) do each step atomically.
//! The store talks to one server. It does not fail over, and it does not decide when a queue may be used again: the leader arms it.

mod apply;
mod check;
mod client;
mod error;
mod keeper;
mod leader;
mod library;
mod options;
mod read;
mod reply;

use std::sync::Arc;

use domain::{AppKey, EventId, Gaps, Number};
use tokio::sync::{Mutex, mpsc, oneshot};

use self::apply::{Batcher, PendingApply};
pub use self::check::{ServerFinding, Severity};
use self::client::RedisClient;
use self::keeper::JournalKeeper;
pub use self::library::{RedisRole, redis_acl};
pub use self::options::{Durability, RedisOptions};
use crate::contract::{
    Applicant, ApplyAck, ArmRequest, ArmResult, Closing, LeaderError, Projection, QueueEntry, QueueError,
    QueueHead, QueueJournal, QueueSnapshot, RestoredApplication,
};
use crate::inbox::{CalledReply, CalledRequest, InboxEntry, ShopReport};
use crate::journal::{Journal, JournalRecord};

/// Applications that may wait; at the rate of one disk this is a fraction of a second.
const WAITING_MAX: usize = 4096;
const ENDED: &str = "the queue's connections have ended: restart this process";

/// A handle on the queue in Redis; cloning it is cheap. Its connections close with the last clone.
#[derive(Debug, Clone)]
pub struct RedisQueue {
    client: Arc<RedisClient>,
    applications: mpsc::Sender<PendingApply>,
    journal: Option<Arc<Journal>>,
}

impl RedisQueue {
    pub(crate) async fn install(options: &RedisOptions) -> Result<(), LeaderError> {
        let client = RedisClient::new(options)?;
        Ok(check::install(&client).await?)
    }

    pub(crate) async fn open(options: RedisOptions) -> Result<Self, LeaderError> {
        if options.connections < 4 || options.pool_size == 0 {
            return Err(LeaderError::Unavailable(
                "too few connections to the queue's Redis: configure at least 4 for applications and 1 for the rest".into(),
            ));
        }
        let client = Arc::new(RedisClient::new(&options)?);
        check::at_start(&client, options.role).await?;
        let journal = open_journal(&client, options.durability.as_ref())?;
        let (applications, waiting) = mpsc::channel(WAITING_MAX);
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..options.connections {
            let batcher = Batcher {
                client: Arc::clone(&client),
                journal: journal.clone(),
                waiting: Arc::clone(&waiting),
                conn: None,
            };
            #[expect(clippy::disallowed_methods, reason = "ends when the last handle is dropped")]
            tokio::spawn(batcher.run());
        }
        if options.durability.is_some() {
            let keeper = JournalKeeper::new(Arc::clone(&client), journal.as_ref(), applications.downgrade());
            #[expect(clippy::disallowed_methods, reason = "ends when the last handle is dropped")]
            tokio::spawn(keeper.run());
        }
        Ok(Self { client, applications, journal })
    }

    pub(crate) async fn check(&self) -> Vec<ServerFinding> {
        let mut findings = check::findings(&self.client, check::Depth::Sample).await;
        let failure = self.journal.as_ref().and_then(|journal| journal.failure());
        findings.extend(failure.map(|what| ServerFinding { severity: Severity::Refuse, what }));
        findings
    }

    // -- for all roles

    pub(crate) async fn catalogue(&self) -> Result<Vec<EventId>, QueueError> {
        read::catalogue(&self.client).await
    }

    /// Hands the application over before the future is made, so that a waiting caller holds no more than its channel.
    pub(crate) fn apply(
        &self,
        event: &EventId,
        applicant: Applicant,
    ) -> impl Future<Output = Result<ApplyAck, QueueError>> + use<> {
        let (reply, result) = oneshot::channel();
        let application = PendingApply { event: event.clone(), applicant, reply };
        let sent = self.applications.try_send(application).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => "too many applications are waiting: try again",
            mpsc::error::TrySendError::Closed(_) => ENDED,
        });
        async move {
            sent.map_err(|why| QueueError::Unavailable(why.into()))?;
            result.await.unwrap_or_else(|_| Err(QueueError::Unknown(ENDED.into())))
        }
    }

    pub(crate) async fn cancel(
        &self,
        event: &EventId,
        app_key: AppKey,
        number: Number,
    ) -> Result<Option<QueueEntry>, QueueError> {
        if let Some(journal) = &self.journal {
            journal.accepts(event).map_err(QueueError::Unavailable)?;
        }
        let entry = self.call_with_receipt("cancel", event, app_key, number).await?;
        if let Some(journal) = &self.journal
            && entry.is_some()
        {
            let record = JournalRecord::Cancelled { event: event.clone(), number, app_key };
            journal.append(&[record]).await.map_err(QueueError::Unknown)?;
        }
        Ok(entry)
    }

    pub(crate) async fn request_called(
        &self,
        event: &EventId,
        app_key: AppKey,
        number: Number,
        request: CalledRequest,
    ) -> Result<Option<CalledReply>, QueueError> {
        if let Some(journal) = &self.journal {
            journal.accepts(event).map_err(QueueError::Unavailable)?;
        }
        let call =
            self.client.function_call("request_called", event.as_str()).arg(&app_key.0[..]).arg(number.get());
        let call = call.arg(request.inbox_kind().as_str());
        let Some(reply) = self.client.call(call).await?.called_reply(app_key)? else { return Ok(None) };
        if let Some(journal) = &self.journal
            && reply.accepted
            && request == CalledRequest::Confirm
        {
            let record = JournalRecord::Confirmed { event: event.clone(), number, app_key, at: reply.now };
            journal.append(&[record]).await.map_err(QueueError::Unknown)?;
        }
        Ok(Some(reply))
    }

    pub(crate) async fn report(
        &self,
        event: &EventId,
        app_key: AppKey,
        number: Number,
        report: ShopReport,
    ) -> Result<Option<QueueEntry>, QueueError> {
        if let Some(journal) = &self.journal {
            journal.accepts(event).map_err(QueueError::Unavailable)?;
        }
        let call = self.client.function_call("report", event.as_str()).arg(&app_key.0[..]).arg(number.get());
        let call = call.arg(report.inbox_kind().as_str()).arg(report.order_no());
        let entry = self.client.call(call).await?.entry(app_key)?;
        if let Some(journal) = self.journal.as_ref().filter(|_| entry.is_some()) {
            let (event, order_no) = (event.clone(), report.order_no().to_owned());
            let record = JournalRecord::Reported { event, number, app_key, order_no };
            journal.append(&[record]).await.map_err(QueueError::Unknown)?;
        }
        Ok(entry)
    }

    pub(crate) async fn present_receipt(
        &self,
        event: &EventId,
        app_key: AppKey,
        number: Number,
    ) -> Result<Option<QueueEntry>, QueueError> {
        self.call_with_receipt("present_receipt", event, app_key, number).await
    }

    async fn call_with_receipt(
        &self,
        function: &str,
        event: &EventId,
        app_key: AppKey,
        number: Number,
    ) -> Result<Option<QueueEntry>, QueueError> {
        let call = self.client.function_call(function, event.as_str()).arg(&app_key.0[..]).arg(number.get());
        Ok(self.client.call(call).await?.entry(app_key)?)
    }

    pub(crate) async fn entry(
        &self,
        event: &EventId,
        app_key: AppKey,
    ) -> Result<Option<QueueEntry>, QueueError> {
        read::entry(&self.client, event, app_key).await
    }

    pub(crate) async fn snapshot(&self, event: &EventId) -> Result<QueueSnapshot, QueueError> {
        read::snapshot(&self.client, event).await
    }

    pub(crate) async fn entries(
        &self,
        event: &EventId,
        after: u32,
        max: u32,
    ) -> Result<Vec<QueueEntry>, QueueError> {
        read::entries(&self.client, event, after, max).await
    }

    pub(crate) async fn app_key_of(
        &self,
        event: &EventId,
        number: Number,
    ) -> Result<Option<AppKey>, QueueError> {
        read::app_key_of(&self.client, event, number).await
    }

    // -- for the leader

    pub(crate) async fn publish(&self, events: &[EventId]) -> Result<(), LeaderError> {
        leader::publish(&self.client, events).await
    }

    pub(crate) async fn arm(
        &self,
        event: &EventId,
        fence: i64,
        request: &ArmRequest,
    ) -> Result<ArmResult, LeaderError> {
        leader::arm(&self.client, event, fence, request).await
    }

    pub(crate) async fn project(
        &self,
        event: &EventId,
        fence: i64,
        projection: &Projection,
    ) -> Result<(), LeaderError> {
        leader::project(&self.client, event, fence, projection).await
    }

    pub(crate) async fn head(&self, event: &EventId, n: u32) -> Result<QueueHead, LeaderError> {
        read::head(&self.client, event, n).await
    }

    pub(crate) async fn admitted(
        &self,
        event: &EventId,
        fence: i64,
        through: u32,
        keys: &[AppKey],
        ledger_changes: i64,
    ) -> Result<(), LeaderError> {
        let admitted = leader::Admitted { through, keys, ledger_changes };
        leader::admitted(&self.client, event, fence, &admitted).await
    }

    pub(crate) async fn inbox(
        &self,
        event: &EventId,
        after: i64,
        max: u32,
    ) -> Result<Vec<InboxEntry>, LeaderError> {
        read::inbox(&self.client, event, after, max).await
    }

    pub(crate) async fn acknowledge(
        &self,
        event: &EventId,
        fence: i64,
        through: i64,
        ledger_changes: i64,
    ) -> Result<(), LeaderError> {
        leader::acknowledge(&self.client, event, fence, through, ledger_changes).await
    }

    pub(crate) async fn restore(
        &self,
        event: &EventId,
        fence: i64,
        rows: &[RestoredApplication],
    ) -> Result<(), LeaderError> {
        leader::restore(&self.client, event, fence, rows).await
    }

    pub(crate) async fn replace_gaps(
        &self,
        event: &EventId,
        fence: i64,
        gaps: &Gaps,
    ) -> Result<(), LeaderError> {
        leader::replace_gaps(&self.client, event, fence, gaps).await
    }

    pub(crate) async fn journals(&self, event: &EventId) -> Result<Vec<QueueJournal>, LeaderError> {
        read::journals(&self.client, event).await
    }

    pub(crate) async fn reports(&self, event: &EventId) -> Result<Vec<(String, u32)>, LeaderError> {
        read::reports(&self.client, event).await
    }

    pub(crate) async fn keep_journals(
        &self,
        event: &EventId,
        fence: i64,
        ids: &[String],
    ) -> Result<(), LeaderError> {
        leader::keep_journals(&self.client, event, fence, ids).await
    }

    pub(crate) async fn settle(&self, event: &EventId, fence: i64) -> Result<Closing, LeaderError> {
        leader::settle(&self.client, event, fence).await
    }
}

fn open_journal(
    client: &RedisClient,
    durability: Option<&Durability>,
) -> Result<Option<Arc<Journal>>, LeaderError> {
    let Some(Durability::Journal { folder, rng }) = durability else { return Ok(None) };
    let journal = Journal::open(folder, rng).map_err(LeaderError::Unavailable)?;
    // A queue that has less than the journal was put back to an older state while this process was away.
    for (event, last) in journal.last_numbers() {
        client.record_received(&event, last);
    }
    Ok(Some(Arc::new(journal)))
}
