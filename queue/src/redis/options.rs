//! The address of the queue's Redis and the parameters of its connections.

use std::path::PathBuf;
use std::time::Duration;

use domain::{Now, Rng};

use super::library::RedisRole;

/// The default time limit of a call. The Redis client's own default of 0.5 s is less than a disk that rewrites its append-only
/// file may need.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// How an application is kept before it is acknowledged.
#[derive(Clone)]
pub enum Durability {
    /// In the queue's server only, on its disk.
    Local,
    /// In the queue's server and in a journal of this process.
    Journal {
        /// The folder of the journal, for this process alone.
        folder: PathBuf,
        /// For the id of a new journal.
        rng: Rng,
    },
}

/// The address of the queue's Redis and the parameters of its connections.
#[derive(Clone)]
pub struct RedisOptions {
    /// `redis://user:password@host:port/db` or `redis+unix:///path?db=0&user=u&pass=p`: one server, used by nothing else.
    pub url: String,
    /// The role of this process, whose rights the user of the URL has.
    pub role: RedisRole,
    /// The number of connections for applications; each carries one call at a time.
    pub connections: usize,
    /// The number of connections for everything else.
    pub pool_size: usize,
    /// After this time without a reply, the connection is dropped and the result of the call is unknown.
    pub response_timeout: Duration,
    /// How this process keeps the applications that it acknowledges; `None` for one that acknowledges none.
    pub durability: Option<Durability>,
    /// The queue's clock, for tests only. It loads other functions than the product's, which take the time from the server only.
    pub hand_clock: Option<Now>,
}

impl RedisOptions {
    /// The options with default values for all that is not given.
    pub fn new(url: impl Into<String>, role: RedisRole) -> Self {
        Self {
            url: url.into(),
            role,
            connections: 4,
            pool_size: 8,
            response_timeout: RESPONSE_TIMEOUT,
            durability: None,
            hand_clock: None,
        }
    }
}

impl std::fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address may contain a password.
        f.debug_struct("RedisOptions").field("role", &self.role).finish_non_exhaustive()
    }
}
