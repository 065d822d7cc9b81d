//! The production store: a Redis or Valkey of the queue's own, whose functions (`redis/queue.lua`) do each step whole.
//! It speaks to one server. It neither fails over nor decides when a queue may be used again: the leader arms.

mod batch;
mod check;
mod fault;
mod lead;
mod library;
mod read;
mod reply;
mod server;

use std::sync::Arc;
use std::time::Duration;

use domain::{AppKey, EventId, Now, Number};
use tokio::sync::{Mutex, mpsc, oneshot};

use self::batch::{Batcher, Command};
pub use self::check::{Finding, Severity};
pub use self::library::{RedisRole, redis_acl};
use self::server::Server;
use crate::contract::{
    Applicant, Applied, Entry, Head, InboxEntry, InboxKind, LeadError, PlaceRow, QueueSnapshot, Refused,
};
use crate::lead::{Lead, Led};

/// Applications that may wait; at the pace of one disk this is a fraction of a second.
const WAITING_MAX: usize = 4096;

/// Where the queue's Redis is, and how it is spoken to.
#[derive(Clone)]
pub struct RedisOptions {
    /// `redis://user:password@host:port/db` or `redis+unix:///path?db=0&user=u&pass=p`: one server, used by nothing else.
    pub url: String,
    /// The user.
    pub role: RedisRole,
    /// Connections that apply, each with one call under way.
    pub connections: usize,
    /// Connections for everything else.
    pub pool_size: usize,
    /// After this time without an answer the connection is dropped, and what was asked is unknown.
    pub response_timeout: Duration,
    /// For tests: the queue's clock. It loads other functions than the product's, which take the time from the server only.
    pub hand_clock: Option<Now>,
}

impl RedisOptions {
    /// The usual ones.
    pub fn new(url: impl Into<String>, role: RedisRole) -> Self {
        let (connections, pool_size) = (4, 8);
        let response_timeout = server::RESPONSE_TIMEOUT;
        Self { url: url.into(), role, connections, pool_size, response_timeout, hand_clock: None }
    }
}

impl std::fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address may carry a password.
        f.debug_struct("RedisOptions").field("role", &self.role).finish_non_exhaustive()
    }
}

/// A handle on the queue in Redis; cloning it is cheap. Its connections close with the last one.
#[derive(Debug, Clone)]
pub struct RedisQueue {
    server: Arc<Server>,
    commands: mpsc::Sender<Command>,
}

impl RedisQueue {
    pub(crate) async fn install(options: &RedisOptions) -> Result<(), LeadError> {
        let server = Server::new(options)?;
        Ok(check::install(&server).await?)
    }

    pub(crate) async fn open(options: RedisOptions) -> Result<Self, LeadError> {
        if options.connections < 4 || options.pool_size == 0 {
            return Err(LeadError::Unavailable(
                "the queue's Redis is given at least 4 connections to apply and one for the rest".into(),
            ));
        }
        let server = Arc::new(Server::new(&options)?);
        check::at_start(&server, options.role).await?;
        let (commands, waiting) = mpsc::channel(WAITING_MAX);
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..options.connections {
            let batcher = Batcher { server: Arc::clone(&server), waiting: Arc::clone(&waiting), conn: None };
            #[expect(clippy::disallowed_methods, reason = "ends when the last handle is dropped")]
            tokio::spawn(batcher.run());
        }
        Ok(Self { server, commands })
    }

    pub(crate) async fn check(&self) -> Vec<Finding> {
        check::findings(&self.server, check::Depth::Sample).await
    }

    pub(crate) async fn publish(&self, events: &[EventId]) -> Result<(), LeadError> {
        lead::publish(&self.server, events).await
    }

    /// The application is handed over before the future is made, so that who waits holds no more than a place.
    pub(crate) fn apply(
        &self,
        event: &EventId,
        applicant: Applicant,
    ) -> impl Future<Output = Result<Applied, Refused>> + use<> {
        let (reply, answer) = oneshot::channel();
        let command = Command { event: event.clone(), applicant, reply };
        let sent = self.commands.try_send(command).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => "too many applications are waiting: try again",
            mpsc::error::TrySendError::Closed(_) => ENDED,
        });
        async move {
            sent.map_err(|why| Refused::Unavailable(why.into()))?;
            answer.await.unwrap_or_else(|_| Err(Refused::Unknown(ENDED.into())))
        }
    }

    pub(crate) async fn ask(
        &self,
        event: &EventId,
        app_key: AppKey,
        number: Number,
        kind: InboxKind,
    ) -> Result<Option<PlaceRow>, Refused> {
        let question = self.server.question("withdraw", event.as_str());
        let question = question.arg(&app_key.0[..]).arg(read::kind_word(kind)).arg(number.get());
        let answer = self.server.ask(question).await?;
        Ok(answer.for_applicants()?.place()?)
    }

    pub(crate) async fn present(
        &self,
        event: &EventId,
        app_key: AppKey,
        number: Number,
    ) -> Result<Option<PlaceRow>, Refused> {
        let question = self.server.question("withdraw", event.as_str());
        let kind = read::kind_word(InboxKind::Present);
        let question = question.arg(&app_key.0[..]).arg(kind).arg(number.get());
        let answer = self.server.ask(question).await?;
        Ok(answer.for_applicants()?.place()?)
    }

    pub(crate) async fn lead(&self, event: &EventId, fence: i64, lead: Lead) -> Result<Led, LeadError> {
        lead::lead(&self.server, event, fence, lead).await
    }

    pub(crate) async fn catalogue(&self) -> Result<Vec<EventId>, Refused> {
        read::catalogue(&self.server).await
    }

    pub(crate) async fn place(&self, event: &EventId, app_key: AppKey) -> Result<Option<PlaceRow>, Refused> {
        read::place(&self.server, event, app_key).await
    }

    pub(crate) async fn view(&self, event: &EventId) -> Result<QueueSnapshot, Refused> {
        read::view(&self.server, event).await
    }

    pub(crate) async fn entries(&self, event: &EventId, after: u32, max: u32) -> Result<Vec<Entry>, Refused> {
        read::entries(&self.server, event, after, max).await
    }

    pub(crate) async fn number_of(&self, event: &EventId, number: Number) -> Result<Option<AppKey>, Refused> {
        read::number_of(&self.server, event, number).await
    }

    pub(crate) async fn head(&self, event: &EventId, n: u32) -> Result<Head, LeadError> {
        read::head(&self.server, event, n).await
    }

    pub(crate) async fn inbox(
        &self,
        event: &EventId,
        after: i64,
        max: u32,
    ) -> Result<Vec<InboxEntry>, LeadError> {
        read::inbox(&self.server, event, after, max).await
    }
}

const ENDED: &str = "the queue's connections have ended: restart this process";
