//! The suite over Redis and Valkey, and the tests of what only a store with a server has.

use queue::{Queue, RedisOptions, RedisRole};
use testkit::{RedisKind, RedisServer};

use crate::harness::{QueueHarness, Store};

mod faults;
mod layout;
mod proxy;
mod rights;
mod server;
mod wire;

mod redis_7 {
    use super::{RedisKind, Store};

    crate::suite::cases!(Store::redis(RedisKind::Redis).await);
}

mod valkey_9 {
    use super::{RedisKind, Store};

    crate::suite::cases!(Store::redis(RedisKind::Valkey).await);
}

/// Expands each case to two tests: over Redis and over Valkey.
macro_rules! both {
    ($($case:ident)*) => {
        mod redis_7 {
            $(#[tokio::test]
            async fn $case() {
                super::$case(testkit::RedisKind::Redis).await;
            })*
        }
        mod valkey_9 {
            $(#[tokio::test]
            async fn $case() {
                super::$case(testkit::RedisKind::Valkey).await;
            })*
        }
    };
}
use both;

async fn harness(kind: RedisKind) -> QueueHarness {
    QueueHarness::new(Store::redis(kind).await).await
}

impl QueueHarness {
    fn server(&mut self) -> &mut RedisServer {
        match &mut self.store {
            Store::Redis(server) => server,
            Store::Sqlite(_) => panic!("the store has no server"),
        }
    }

    /// Runs a command as a user with all rights, with which tests inject faults.
    async fn raw_command<T: redis::FromRedisValue>(&mut self, command: &[&str]) -> T {
        raw_command(&self.server().url(), command).await.unwrap()
    }

    /// A handle as another process has it.
    async fn another_handle(&mut self, change: impl FnOnce(&mut RedisOptions)) -> Queue {
        let mut options = RedisOptions::new(self.server().url(), RedisRole::Worker);
        options.hand_clock = Some(self.now());
        change(&mut options);
        Queue::open_redis(options).await.unwrap()
    }
}

async fn raw_command<T: redis::FromRedisValue>(url: &str, command: &[&str]) -> redis::RedisResult<T> {
    let client = redis::Client::open(url).unwrap();
    let mut conn = client.get_multiplexed_async_connection().await?;
    let mut cmd = redis::cmd(command[0]);
    cmd.arg(&command[1..]).query_async(&mut conn).await
}

/// Opens an event until 2100, with the product's functions, which take the time from the server.
async fn open_for_long(queue: &Queue) {
    use crate::harness::{FENCE, arming, event, projection};
    let (mut arming, mut projection) = (arming(1, 0), projection());
    for settings in [&mut arming.settings, &mut projection.settings] {
        (settings.opens_at, settings.closes_at) = (0, 4_102_444_800_000);
    }
    queue.publish(&[event()]).await.unwrap();
    queue.arm(&event(), FENCE, arming).await.unwrap();
    queue.project(&event(), FENCE, projection).await.unwrap();
}

/// A server on which the shipped user `migrate` has loaded the functions.
async fn installed(kind: RedisKind) -> RedisServer {
    let server = RedisServer::start(kind).await;
    Queue::install_redis(&as_user(&server, "migrate", RedisRole::Worker)).await.unwrap();
    server
}

fn as_user(server: &RedisServer, user: &str, role: RedisRole) -> RedisOptions {
    RedisOptions::new(server.url_of(user), role)
}
