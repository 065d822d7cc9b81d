//! The client of the queue's Redis: function calls, the pool that sends them, and the match of replies to calls. It never sends a
//! call twice: the caller decides whether to call again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use deadpool_redis::{Connection, Manager, Pool, PoolError, Runtime};
use domain::{EventId, Now};
use parking_lot::Mutex;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client, Cmd, ConnectionInfo, IntoConnectionInfo, Value};

use super::error::{CallError, describe};
use super::library::Library;
use super::options::RedisOptions;
use super::reply::{FunctionReply, ReplyFields};
use crate::contract::{LeaderError, QueueError};

const CATALOGUE: &str = "q:catalogue";
const STANDALONE: &str = "standalone only until failover is safe";

/// The client of one Redis server.
pub(super) struct RedisClient {
    client: Client,
    config: AsyncConnectionConfig,
    pool: Pool,
    pub(super) library: Library,
    db: i64,
    nonces: AtomicU64,
    /// The highest number that this process got from the queue, of each event. A queue with a lower one was put back to an older
    /// state.
    last_received: Mutex<HashMap<EventId, u32>>,
    hand_clock: Option<Now>,
}

/// A call of a function of the queue.
pub(super) struct FunctionCall {
    pub(super) command: Cmd,
    nonce: String,
}

impl FunctionCall {
    /// Adds an argument.
    pub(super) fn arg(mut self, arg: impl redis::ToRedisArgs) -> Self {
        self.command.arg(arg);
        self
    }

    /// The reply in this value, if it is the reply to this call.
    pub(super) fn reply(&self, value: Value) -> Result<FunctionReply, CallError> {
        FunctionReply::parse(value, &self.nonce)
    }
}

impl RedisClient {
    pub(super) fn new(options: &RedisOptions) -> Result<Self, LeaderError> {
        let info = connection_info(&options.url).map_err(LeaderError::Unavailable)?;
        let timeout = Some(options.response_timeout);
        let config =
            AsyncConnectionConfig::new().set_response_timeout(timeout).set_connection_timeout(timeout);
        let library = match options.hand_clock {
            Some(_) => Library::with_hand_clock(),
            None => Library::of_product(),
        };
        Ok(Self {
            db: info.redis_settings().db(),
            pool: pool(&info, &config, options)?,
            client: Client::open(info).map_err(CallError::from)?,
            config,
            library,
            nonces: AtomicU64::new(1),
            last_received: Mutex::default(),
            hand_clock: options.hand_clock.clone(),
        })
    }

    /// The number of the database.
    pub(super) fn db(&self) -> i64 {
        self.db
    }

    /// Opens a connection outside the pool.
    pub(super) async fn connect(&self) -> Result<MultiplexedConnection, CallError> {
        let connecting = self.client.get_multiplexed_async_connection_with_config(&self.config);
        connecting.await.map_err(|error| CallError::NoConnection(error.to_string()))
    }

    /// A call of a function about an event.
    pub(super) fn function_call(&self, function: &str, event: &str) -> FunctionCall {
        let nonce = self.nonces.fetch_add(1, Ordering::Relaxed).to_string();
        let now = self.hand_clock.as_ref().map(|now| now().to_string()).unwrap_or_default();
        let mut command = redis::cmd("FCALL");
        command.arg(self.library.function(function)).arg(2).arg(CATALOGUE).arg(format!("q:{{{event}}}:m"));
        command.arg(&nonce).arg(now);
        FunctionCall { command, nonce }
    }

    /// Sends a call of an applicant, or a read of any role, over the pool.
    pub(super) async fn call(&self, call: FunctionCall) -> Result<ReplyFields, QueueError> {
        self.send(call).await?.into_queue_result()
    }

    /// Sends a call that only the leader makes over the pool.
    pub(super) async fn call_as_leader(&self, call: FunctionCall) -> Result<ReplyFields, LeaderError> {
        self.send(call).await?.into_leader_result()
    }

    async fn send(&self, call: FunctionCall) -> Result<FunctionReply, CallError> {
        let mut conn = self.pooled().await?;
        let sent = conn.req_packed_command(&call.command).await.map_err(CallError::from);
        let reply = sent.and_then(|value| call.reply(server_error_as_err(value)?));
        keep_or_drop(conn, reply)
    }

    /// Sends any other command over the pool.
    pub(super) async fn command<T: redis::FromRedisValue>(&self, command: &Cmd) -> Result<T, CallError> {
        let mut conn = self.pooled().await?;
        let reply = command.query_async(&mut conn).await.map_err(CallError::from);
        keep_or_drop(conn, reply)
    }

    async fn pooled(&self) -> Result<Connection, CallError> {
        self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => CallError::NoConnection(describe(&error)),
            other => CallError::NoConnection(other.to_string()),
        })
    }

    /// The highest number that this process got from the queue.
    pub(super) fn last_received(&self, event: &EventId) -> u32 {
        self.last_received.lock().get(event).copied().unwrap_or(0)
    }

    /// Records a number that this process got.
    pub(super) fn record_received(&self, event: &EventId, number: u32) {
        let mut last_received = self.last_received.lock();
        match last_received.get_mut(event) {
            Some(last) => *last = number.max(*last),
            None => drop(last_received.insert(event.clone(), number)),
        }
    }
}

impl std::fmt::Debug for RedisClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address may contain a password.
        f.debug_struct("RedisClient").field("library", &self.library.name()).finish_non_exhaustive()
    }
}

fn pool(
    info: &ConnectionInfo,
    config: &AsyncConnectionConfig,
    options: &RedisOptions,
) -> Result<Pool, CallError> {
    let timeout = Some(options.response_timeout);
    Pool::builder(Manager::new_with_config(info.clone(), config.clone())?)
        .max_size(options.pool_size)
        .runtime(Runtime::Tokio1)
        .wait_timeout(timeout)
        .create_timeout(timeout)
        .recycle_timeout(timeout)
        .build()
        .map_err(|error| CallError::NoConnection(error.to_string()))
}

/// Returns the connection to the pool, unless the error spoils it.
fn keep_or_drop<T>(conn: Connection, reply: Result<T, CallError>) -> Result<T, CallError> {
    if reply.as_ref().is_err_and(CallError::spoils_connection) {
        drop(Connection::take(conn));
    }
    reply
}

/// The client returns an error reply of the server as a value.
pub(super) fn server_error_as_err(value: Value) -> Result<Value, CallError> {
    value.extract_error().map_err(CallError::from)
}

/// The address of one server. The error says why an address of anything else is refused.
fn connection_info(url: &str) -> Result<ConnectionInfo, String> {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    match scheme {
        "redis" | "redis+unix" if !url.contains(',') => {}
        "redis" | "redis+unix" => {
            return Err(format!("several Redis addresses are set: set one; {STANDALONE}"));
        }
        "" => {
            return Err("the Redis address has no scheme: set redis://user:password@host:port/db or \
                        redis+unix:///socket"
                .into());
        }
        other => {
            return Err(format!(
                "a Redis address cannot start with {other}://: set redis:// or redis+unix://; TLS, Sentinel and \
                 Cluster are not supported: {STANDALONE}"
            ));
        }
    }
    let info = url.into_connection_info().map_err(|_| "the Redis address is not a valid URL".to_owned())?;
    // Sending the name of the client library would need one more right.
    let settings = info.redis_settings().clone().set_skip_set_lib_name();
    Ok(info.set_redis_settings(settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_several_servers_or_of_tls_is_refused_with_the_reason() {
        for url in [
            "rediss://h:1/0",
            "redis-sentinel://h:1",
            "redis+cluster://h:1",
            "redis://a:1,b:2/0",
            "valkeys://h",
        ] {
            let why = connection_info(url).unwrap_err();
            assert!(why.contains("standalone only until failover is safe"), "{url}: {why}");
        }
        assert!(connection_info("localhost:6379").unwrap_err().contains("redis://user"));
        let info = connection_info("redis://signup:secret@10.0.0.1:7000/3").unwrap();
        assert_eq!((info.redis_settings().db(), info.redis_settings().username()), (3, Some("signup")));
    }
}
