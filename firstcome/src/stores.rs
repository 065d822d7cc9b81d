//! Opens the stores that the settings name.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use domain::{Now, Rng};
use ledger::Ledger;
use queue::{Durability, Queue, RedisOptions, RedisRole};
use service::Context;
use service::health::Check;

use crate::setup::{ExternalStores, ProcessRole, Stores};

/// How long a gateway waits before it connects to its queue again.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Opens the queue and the ledger, each if the role needs it from the start. A gateway opens its queue later.
pub(crate) async fn open(
    stores: &Stores,
    role: ProcessRole,
    context: &Context,
) -> anyhow::Result<(Option<Queue>, Option<Ledger>)> {
    match stores {
        Stores::Embedded { folder } => {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot create the data folder {}", folder.display()))?;
            let (queue, ledger) = open_files(folder, context.now.clone()).await?;
            // This process holds the file lock of the queue, so the former leader has ended and its leases need not expire first.
            ledger.end_leases().await?;
            Ok((Some(queue), Some(ledger)))
        }
        Stores::External(servers) => {
            let durability = role.has_signup().then(|| durability(servers, &context.rng));
            let queue = if role.has_keys() {
                Some(open_queue(servers, queue_role(role), durability).await?)
            } else {
                None
            };
            let ledger = if role.has_ledger() { Some(open_ledger(servers).await?) } else { None };
            Ok((queue, ledger))
        }
    }
}

/// Opens the queue and the ledger for reading.
pub(crate) async fn open_to_read(stores: &Stores, now: Now) -> anyhow::Result<(Queue, Ledger)> {
    match stores {
        Stores::Embedded { folder } => {
            let has_queue = folder.join("queue.db").exists();
            ensure!(has_queue, "no queue in {}: name the data folder with --data", folder.display());
            open_files(folder, now).await
        }
        Stores::External(servers) => {
            Ok((open_queue(servers, RedisRole::Verify, None).await?, open_ledger(servers).await?))
        }
    }
}

/// Opens the ledger alone for reading, which works beside a running program.
pub(crate) async fn open_ledger_to_read(stores: &Stores, now: Now) -> anyhow::Result<Ledger> {
    match stores {
        Stores::Embedded { folder } => {
            let file = folder.join("ledger.db");
            ensure!(file.exists(), "no ledger in {}: name the data folder with --data", folder.display());
            Ledger::open_sqlite(&file, now).await.context("cannot open the ledger")
        }
        Stores::External(servers) => open_ledger(servers).await,
    }
}

/// Opens the queue for a gateway as soon as it can be reached. Until then the check shows the reason.
pub(crate) async fn open_for_gateway(servers: ExternalStores, check: Check) -> Queue {
    let mut last_logged = String::new();
    loop {
        match open_queue(&servers, RedisRole::Gateway, None).await {
            Ok(queue) => {
                check.ok();
                return queue;
            }
            Err(error) => {
                let reason = format!("{error:#}");
                check.warn(&*reason);
                if reason != last_logged {
                    tracing::warn!("failed to open the queue: {reason}; retrying every second");
                    last_logged = reason;
                }
            }
        }
        tokio::time::sleep(RETRY_DELAY).await;
    }
}

async fn open_files(folder: &Path, now: Now) -> anyhow::Result<(Queue, Ledger)> {
    let queue =
        Queue::open_sqlite(&folder.join("queue.db"), now.clone()).await.context("cannot open the queue")?;
    let ledger =
        Ledger::open_sqlite(&folder.join("ledger.db"), now).await.context("cannot open the ledger")?;
    Ok((queue, ledger))
}

async fn open_queue(
    servers: &ExternalStores,
    role: RedisRole,
    durability: Option<Durability>,
) -> anyhow::Result<Queue> {
    let options = RedisOptions { durability, ..RedisOptions::new(&servers.queue, role) };
    Queue::open_redis(options).await.context("cannot open the queue")
}

fn durability(servers: &ExternalStores, rng: &Rng) -> Durability {
    match &servers.journal {
        Some(folder) => Durability::Journal { folder: folder.clone(), rng: rng.clone() },
        None => Durability::Local,
    }
}

fn queue_role(role: ProcessRole) -> RedisRole {
    match role {
        ProcessRole::Signup => RedisRole::Signup,
        ProcessRole::Gateway => RedisRole::Gateway,
        ProcessRole::All | ProcessRole::Worker | ProcessRole::Operator => RedisRole::Worker,
    }
}

async fn open_ledger(servers: &ExternalStores) -> anyhow::Result<Ledger> {
    Ledger::open_postgres(&servers.ledger, servers.ledger_connections).await.context("cannot open the ledger")
}
