//! Opening the stores that the settings name.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use domain::Now;
use ledger::Ledger;
use queue::{Queue, RedisOptions, RedisRole};
use service::health::Check;

use crate::setup::{Role, Servers, Stores};

/// How soon a gateway tries again to reach its queue.
const AGAIN: Duration = Duration::from_secs(1);

/// The queue and the ledger, each for a role that needs it from the start; a gateway takes its queue later.
pub(crate) async fn open(
    stores: &Stores,
    role: Role,
    now: Now,
) -> anyhow::Result<(Option<Queue>, Option<Ledger>)> {
    match stores {
        Stores::Embedded { folder } => {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make the data folder {}", folder.display()))?;
            let (queue, ledger) = open_files(folder, now).await?;
            // The queue's file lock is ours, so whoever led before is gone: nobody has to wait for its leases to run out.
            ledger.end_leases().await?;
            Ok((Some(queue), Some(ledger)))
        }
        Stores::Servers(servers) => {
            let queue =
                if role.has_keys() { Some(open_queue(servers, queue_role(role)).await?) } else { None };
            let ledger = if role.has_ledger() { Some(open_ledger(servers).await?) } else { None };
            Ok((queue, ledger))
        }
    }
}

/// Queue and ledger for looking at them only.
pub(crate) async fn open_to_read(stores: &Stores, now: Now) -> anyhow::Result<(Queue, Ledger)> {
    match stores {
        Stores::Embedded { folder } => {
            let exists = folder.join("queue.db").exists();
            ensure!(exists, "there is no queue in {}: name the data folder with --data", folder.display());
            open_files(folder, now).await
        }
        Stores::Servers(servers) => {
            Ok((open_queue(servers, RedisRole::Verify).await?, open_ledger(servers).await?))
        }
    }
}

/// The queue for a gateway on its own, as soon as it can be reached. Until then the check says why not.
pub(crate) async fn open_for_gateway(servers: Servers, check: Check) -> Queue {
    let mut told = String::new();
    loop {
        match open_queue(&servers, RedisRole::Gateway).await {
            Ok(queue) => {
                check.ok();
                return queue;
            }
            Err(error) => {
                let why = format!("{error:#}");
                check.warn(&*why);
                if why != told {
                    tracing::warn!("{why}; trying again each second");
                    told = why;
                }
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn open_files(folder: &Path, now: Now) -> anyhow::Result<(Queue, Ledger)> {
    let queue =
        Queue::open_sqlite(&folder.join("queue.db"), now.clone()).await.context("cannot open the queue")?;
    let ledger =
        Ledger::open_sqlite(&folder.join("ledger.db"), now).await.context("cannot open the ledger")?;
    Ok((queue, ledger))
}

async fn open_queue(servers: &Servers, role: RedisRole) -> anyhow::Result<Queue> {
    Queue::open_redis(RedisOptions::new(&servers.queue, role)).await.context("cannot open the queue")
}

fn queue_role(role: Role) -> RedisRole {
    match role {
        Role::Signup => RedisRole::Signup,
        Role::Gateway => RedisRole::Gateway,
        Role::All | Role::Worker | Role::Operator => RedisRole::Worker,
    }
}

async fn open_ledger(servers: &Servers) -> anyhow::Result<Ledger> {
    Ledger::open_postgres(&servers.ledger, servers.ledger_connections).await.context("cannot open the ledger")
}
