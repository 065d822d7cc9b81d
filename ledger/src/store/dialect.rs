//! Everything that differs between the databases. All other SQL is one text for both.
//!
//! Every transaction locks in the same order, so that there are no deadlocks: event, application, seat, outbox, webhook
//! endpoint, its cursors and deliveries, audit lock, counters. `SQLite` has one writer and needs no row locks.

use std::sync::Once;

use domain::{Millis, Now};
use sqlx::AnyConnection;
use sqlx::any::install_default_drivers;

use crate::store::column::int;
use crate::store::error::Error;

/// Registers the database drivers with sqlx, once per process.
pub(crate) fn install_drivers() {
    static DRIVERS: Once = Once::new();
    DRIVERS.call_once(install_default_drivers);
}

/// The database behind the ledger.
#[derive(Clone)]
pub(crate) enum Dialect {
    /// One file, used by one process. The caller supplies the clock.
    Sqlite(Now),
    /// A server, shared by many processes. Its clock is the clock of all of them.
    Postgres,
}

impl Dialect {
    /// The statement that begins a writing transaction. In `SQLite` a deferred transaction fails on its first write if another
    /// connection has written since, and the busy timeout does not apply (`SQLITE_BUSY_SNAPSHOT` in its manual).
    pub(crate) fn begin(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN",
        }
    }

    /// Reads an event and locks it until the transaction ends. `FOR UPDATE` would also block inserts of rows that refer to it.
    pub(crate) fn lock_event(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SELECT * FROM event WHERE id = $1",
            Self::Postgres => "SELECT * FROM event WHERE id = $1 FOR NO KEY UPDATE",
        }
    }

    /// Reads an application and locks it until the transaction ends.
    pub(crate) fn lock_application(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SELECT * FROM application WHERE event = $1 AND app_key = $2",
            Self::Postgres => "SELECT * FROM application WHERE event = $1 AND app_key = $2 FOR NO KEY UPDATE",
        }
    }

    /// Leases the first due rows. In Postgres it skips a row whose response is just being recorded: waiting for that row would
    /// delay all dispatchers, since the event is locked. `MATERIALIZED` keeps the planner from running the limited query twice.
    pub(crate) fn lease_due(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => {
                "WITH due AS MATERIALIZED (
                     SELECT app_key FROM application WHERE event = $1 AND state IN ('ordering', 'undoing') AND lease_until <= $3 AND next_try_at <= $3
                     ORDER BY number LIMIT $4)
                 UPDATE application SET fence = fence + 1, attempts = attempts + 1, lease_until = $2
                 WHERE event = $1 AND app_key IN (SELECT app_key FROM due)
                 RETURNING app_key, number, state, attempts, fence, contact"
            }
            Self::Postgres => {
                "WITH due AS MATERIALIZED (
                     SELECT app_key FROM application WHERE event = $1 AND state IN ('ordering', 'undoing') AND lease_until <= $3 AND next_try_at <= $3
                     ORDER BY number LIMIT $4 FOR NO KEY UPDATE SKIP LOCKED)
                 UPDATE application SET fence = fence + 1, attempts = attempts + 1, lease_until = $2
                 WHERE event = $1 AND app_key IN (SELECT app_key FROM due)
                 RETURNING app_key, number, state, attempts, fence, contact"
            }
        }
    }

    /// Reads a webhook endpoint and locks it until the transaction ends.
    pub(crate) fn lock_endpoint(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SELECT * FROM webhook_endpoint WHERE id = $1",
            Self::Postgres => "SELECT * FROM webhook_endpoint WHERE id = $1 FOR NO KEY UPDATE",
        }
    }

    /// Locks the audit against other writers until the transaction ends. It is taken just before the commit.
    pub(crate) async fn lock_audit(&self, connection: &mut AnyConnection) -> Result<(), Error> {
        if let Self::Postgres = self {
            sqlx::query("SELECT pg_advisory_xact_lock(hashtext('firstcome audit'))::TEXT AS locked")
                .fetch_one(connection)
                .await?;
        }
        Ok(())
    }

    /// Returns the ledger's time: one clock for all workers. Read it after the row lock is held; otherwise it could be earlier
    /// than the time of the previous holder of the lock.
    pub(crate) async fn now(&self, connection: &mut AnyConnection) -> Result<Millis, Error> {
        match self {
            Self::Sqlite(now) => Ok(now()),
            Self::Postgres => {
                let row = sqlx::query("SELECT now_ms() AS now").fetch_one(connection).await?;
                int(&row, "now")
            }
        }
    }
}
