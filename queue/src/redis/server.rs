//! The server as this process reaches it: how a question is put, sent over the pool, and its answer recognised.
//! Nothing is ever sent twice by itself: who asked decides whether to ask again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool_redis::{Connection, Manager, Pool, Runtime};
use domain::{EventId, Now};
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client, Cmd, ConnectionInfo, IntoConnectionInfo, Value};

use super::RedisOptions;
use super::fault::Fault;
use super::library::Library;
use super::reply::{Answer, Reply};
use crate::contract::{LeadError, Refused};

const CATALOGUE: &str = "q:catalogue";
const ALONE: &str = "standalone only until failover is safe";

/// One Redis, and what this process was told by it.
pub(super) struct Server {
    client: Client,
    config: AsyncConnectionConfig,
    pool: Pool,
    pub(super) library: Library,
    db: i64,
    nonces: AtomicU64,
    /// The highest number that was acknowledged from here, of each event: a queue that knows less went back in time.
    known_max: Mutex<HashMap<EventId, u32>>,
    hand_clock: Option<Now>,
}

/// A question on its way.
pub(super) struct Question {
    pub(super) command: Cmd,
    nonce: String,
}

impl Question {
    /// Adds an argument.
    pub(super) fn arg(mut self, arg: impl redis::ToRedisArgs) -> Self {
        self.command.arg(arg);
        self
    }

    /// The answer, if it is one to this question.
    pub(super) fn answered(&self, value: Value) -> Result<Answer, Fault> {
        Answer::to(&self.nonce, value)
    }
}

impl Server {
    pub(super) fn new(options: &RedisOptions) -> Result<Self, LeadError> {
        let info = address(&options.url).map_err(LeadError::Unavailable)?;
        let timeout = Some(options.response_timeout);
        let config =
            AsyncConnectionConfig::new().set_response_timeout(timeout).set_connection_timeout(timeout);
        let unusable = |error: redis::RedisError| Fault::from(error);
        let manager = Manager::new_with_config(info.clone(), config.clone()).map_err(unusable)?;
        let pool = Pool::builder(manager)
            .max_size(options.pool_size)
            .runtime(Runtime::Tokio1)
            .wait_timeout(timeout)
            .create_timeout(timeout)
            .recycle_timeout(timeout)
            .build()
            .map_err(|error| Fault::NoConnection(error.to_string()))?;
        let library = match options.hand_clock {
            Some(_) => Library::with_hand_clock(),
            None => Library::of_product(),
        };
        Ok(Self {
            db: info.redis_settings().db(),
            client: Client::open(info).map_err(unusable)?,
            config,
            pool,
            library,
            nonces: AtomicU64::new(1),
            known_max: Mutex::default(),
            hand_clock: options.hand_clock.clone(),
        })
    }

    /// The number of its database.
    pub(super) fn db(&self) -> i64 {
        self.db
    }

    /// A connection of one's own.
    pub(super) async fn connect(&self) -> Result<MultiplexedConnection, Fault> {
        let connecting = self.client.get_multiplexed_async_connection_with_config(&self.config);
        connecting.await.map_err(|error| Fault::NoConnection(error.to_string()))
    }

    /// A question to a function about an event.
    pub(super) fn question(&self, function: &str, event: &str) -> Question {
        let nonce = self.nonces.fetch_add(1, Ordering::Relaxed).to_string();
        let now = self.hand_clock.as_ref().map(|now| now().to_string()).unwrap_or_default();
        let mut command = redis::cmd("FCALL");
        command.arg(self.library.function(function)).arg(2).arg(CATALOGUE).arg(format!("q:{{{event}}}:m"));
        command.arg(&nonce).arg(now);
        Question { command, nonce }
    }

    /// Sends a question over the pool.
    pub(super) async fn ask(&self, question: Question) -> Result<Answer, Fault> {
        let mut conn = self.pooled().await?;
        let asked = conn.req_packed_command(&question.command).await.map_err(Fault::from);
        let answer = asked.and_then(|value| question.answered(flat(value)?));
        if answer.as_ref().is_err_and(Fault::spoils_connection) {
            drop(Connection::take(conn));
        }
        answer
    }

    /// Sends a question of the applicants' side.
    pub(super) async fn read(&self, question: Question) -> Result<Reply, Refused> {
        self.ask(question).await?.for_applicants()
    }

    /// Sends a leader's question.
    pub(super) async fn lead(&self, question: Question) -> Result<Reply, LeadError> {
        self.ask(question).await?.for_the_leader()
    }

    /// Any other command, over the pool.
    pub(super) async fn command<T: redis::FromRedisValue>(&self, command: &Cmd) -> Result<T, Fault> {
        let mut conn = self.pooled().await?;
        let answer = command.query_async(&mut conn).await.map_err(Fault::from);
        if answer.as_ref().is_err_and(Fault::spoils_connection) {
            drop(Connection::take(conn));
        }
        answer
    }

    async fn pooled(&self) -> Result<Connection, Fault> {
        self.pool.get().await.map_err(|error| match error {
            deadpool_redis::PoolError::Backend(error) => Fault::NoConnection(super::fault::in_words(&error)),
            other => Fault::NoConnection(other.to_string()),
        })
    }

    /// The highest number that was acknowledged from here.
    pub(super) fn known_max(&self, event: &EventId) -> u32 {
        self.known().get(event).copied().unwrap_or(0)
    }

    /// Remembers an acknowledged number.
    pub(super) fn acknowledged(&self, event: &EventId, number: u32) {
        let mut known = self.known();
        match known.get_mut(event) {
            Some(max) => *max = number.max(*max),
            None => drop(known.insert(event.clone(), number)),
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<EventId, u32>> {
        self.known_max.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address may carry a password.
        f.debug_struct("Server").field("library", &self.library.name()).finish_non_exhaustive()
    }
}

/// A server's error travels as a value.
pub(super) fn flat(value: Value) -> Result<Value, Fault> {
    value.extract_error().map_err(Fault::from)
}

/// Where one server is; an address of something else is refused with the reason.
fn address(url: &str) -> Result<ConnectionInfo, String> {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    match scheme {
        "redis" | "redis+unix" if !url.contains(',') => {}
        "redis" | "redis+unix" => return Err(format!("several Redis addresses were given: {ALONE}")),
        "" => {
            return Err(
                "a Redis address is redis://user:password@host:port/db or redis+unix:///socket".into()
            );
        }
        other => {
            return Err(format!(
                "a Redis address cannot start with {other}://; it is redis:// or redis+unix://, and TLS, \
                 sentinels and clusters are not spoken: {ALONE}"
            ));
        }
    }
    let info = url.into_connection_info().map_err(|_| "the Redis address cannot be read".to_owned())?;
    // Its name would need a right more.
    let settings = info.redis_settings().clone().set_skip_set_lib_name();
    Ok(info.set_redis_settings(settings))
}

/// How long a question may take unless the options say otherwise. The client's own half a second is less than a disk that
/// rewrites its journal may need.
pub(super) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_single_server_is_refused_with_the_reason() {
        for url in [
            "rediss://h:1/0",
            "redis-sentinel://h:1",
            "redis+cluster://h:1",
            "redis://a:1,b:2/0",
            "valkeys://h",
        ] {
            let why = address(url).unwrap_err();
            assert!(why.contains("standalone only until failover is safe"), "{url}: {why}");
        }
        assert!(address("localhost:6379").unwrap_err().contains("redis://user"));
        let info = address("redis://signup:secret@10.0.0.1:7000/3").unwrap();
        assert_eq!((info.redis_settings().db(), info.redis_settings().username()), (3, Some("signup")));
    }
}
