//! What differs between the databases, all of it. Everything else is one SQL text.
//!
//! Rows are locked in one order everywhere, so that nobody waits in a circle: event, application, seat, the turn at the audit. `SQLite` has one writer
//! and needs no row locks.

use domain::{Millis, Now};
use sqlx::AnyConnection;

use crate::ledger::{LedgerError, int};

/// The database behind the ledger.
#[derive(Clone)]
pub(crate) enum Dialect {
    /// One file. The clock is handed in, since the ledger and the process are one.
    Sqlite(Now),
    /// A server, shared by many processes. Its clock is the clock of all.
    Postgres,
}

impl Dialect {
    /// The statement that begins a writing transaction. In `SQLite` a deferred one would fail on its first write if another had
    /// written since, and no busy timeout helps there (its manual, `SQLITE_BUSY_SNAPSHOT`).
    pub(crate) fn begin(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN",
        }
    }

    /// Reads an event and locks it until the transaction ends. Not `FOR UPDATE`, which rows that refer to it would wait for.
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

    /// Leases the first due rows. In Postgres a row whose answer is just being recorded is passed over: waiting for it would
    /// hold up everybody, since the event is locked. `MATERIALIZED`, lest the planner ask the limited query more than once.
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

    /// Has those who write the audit come one after the other, until their transaction ends: the last lock of all, asked for
    /// just before the end.
    pub(crate) async fn take_turn(&self, connection: &mut AnyConnection) -> Result<(), LedgerError> {
        if let Self::Postgres = self {
            sqlx::query("SELECT pg_advisory_xact_lock(hashtext('firstcome audit'))::TEXT AS mine")
                .fetch_one(connection)
                .await?;
        }
        Ok(())
    }

    /// The ledger's time: one clock for all workers. Ask after the row lock is held, so that it never runs behind another's.
    pub(crate) async fn now(&self, connection: &mut AnyConnection) -> Result<Millis, LedgerError> {
        match self {
            Self::Sqlite(now) => Ok(now()),
            Self::Postgres => {
                let row = sqlx::query("SELECT now_ms() AS now").fetch_one(connection).await?;
                int(&row, "now")
            }
        }
    }
}
