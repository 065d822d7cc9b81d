//! The tables of the queue, private to this store, and the options to open its file. An older schema is never changed: a file of
//! another version is refused.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Row};

use super::error::describe;

const VERSION: i64 = 5;

/// Longer than any checkpoint: only another program on the file makes the writer wait that long.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// `application` is in the order of numbers, so that applying appends and the head is one range.
const TABLES: &str = "
BEGIN IMMEDIATE;
CREATE TABLE catalogue (event TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE queue (
    id               INTEGER PRIMARY KEY,
    event            TEXT    NOT NULL UNIQUE,
    epoch            INTEGER NOT NULL,
    fence            INTEGER NOT NULL,
    seq              INTEGER NOT NULL DEFAULT 0,
    number_limit     INTEGER NOT NULL DEFAULT 0,
    admitted_through INTEGER NOT NULL DEFAULT 0,
    waiting          INTEGER NOT NULL DEFAULT 0,
    gaps             TEXT    NOT NULL DEFAULT '[]',
    inbox_last       INTEGER NOT NULL DEFAULT 0,
    closed_at        INTEGER,
    closed_seq       INTEGER,
    closed_inbox     INTEGER,
    ending           TEXT    CHECK (ending IN ('settling', 'settled')),
    settled_seq      INTEGER,
    settings         TEXT    NOT NULL,
    rev              INTEGER NOT NULL,
    figures          TEXT    NOT NULL,
    figures_fence    INTEGER NOT NULL DEFAULT 0,
    figures_round    INTEGER NOT NULL DEFAULT 0,
    -- What an arming found that the leader has not judged: the last number before it, and whether applications were lost.
    reached          INTEGER,
    lost_applications INTEGER NOT NULL DEFAULT 0,
    lost_epoch       INTEGER NOT NULL DEFAULT 0,
    ledger_changes   INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE application (
    queue    INTEGER NOT NULL REFERENCES queue (id),
    number   INTEGER NOT NULL CHECK (number > 0),
    app_key  BLOB    NOT NULL CHECK (length(app_key) = 16),
    state    TEXT    NOT NULL CHECK (state IN ('W', 'A', 'X')),
    req_hash BLOB    NOT NULL CHECK (length(req_hash) = 8),
    contact  BLOB,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (queue, number),
    UNIQUE (queue, app_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX application_waiting ON application (queue, number) WHERE state = 'W';
CREATE TABLE inbox (
    queue   INTEGER NOT NULL REFERENCES queue (id),
    id      INTEGER NOT NULL,
    app_key BLOB    NOT NULL,
    number  INTEGER NOT NULL,
    kind    TEXT    NOT NULL CHECK (kind IN ('cancel', 'confirm', 'extend', 'ordered', 'released', 'present')),
    at      INTEGER NOT NULL,
    order_no TEXT   NOT NULL DEFAULT '',
    PRIMARY KEY (queue, id),
    UNIQUE (queue, number, kind, order_no)
) STRICT, WITHOUT ROWID;
CREATE TABLE called (
    queue     INTEGER NOT NULL REFERENCES queue (id),
    number    INTEGER NOT NULL,
    until     INTEGER NOT NULL,
    extended  INTEGER NOT NULL,
    confirmed INTEGER NOT NULL,
    more_time_requested INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (queue, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE outcome (
    queue    INTEGER NOT NULL REFERENCES queue (id),
    number   INTEGER NOT NULL,
    outcome  TEXT    NOT NULL,
    order_no TEXT,
    PRIMARY KEY (queue, number)
) STRICT, WITHOUT ROWID;
PRAGMA user_version = 5;
COMMIT;
";

/// Why this program cannot use a file as its queue.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error(
        "the file was written by a newer version of this program (format {0}, this one reads {VERSION}): \
             run that version, or set another file"
    )]
    Newer(i64),
    #[error(
        "the file was written by an earlier, unreleased version of this program (format {0}, this one reads {VERSION}): \
             move it away, and the event starts with an empty queue"
    )]
    Older(i64),
    #[error("the file is a database of something else: set another file")]
    Foreign,
    #[error("{}", describe(.0))]
    Sql(#[from] sqlx::Error),
}

/// The options of the only writing connection.
pub(super) fn writer_options(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        // Overwrites a deleted contact in its page.
        .pragma("secure_delete", "FAST")
        // In pages of 4 KiB. A checkpoint costs two more syncs; with the default, every fourth batch would make one.
        .pragma("wal_autocheckpoint", "4096")
        // A negative value is in KiB. Applications have random keys, so their index must stay in memory.
        .pragma("cache_size", "-32768")
        .disable_statement_logging()
}

/// The options of a reading connection.
pub(super) fn reader_options(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .read_only(true)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
}

/// Creates the tables in a new file, and refuses a file of another program.
pub(super) async fn prepare(conn: &mut SqliteConnection) -> Result<(), OpenError> {
    let row = sqlx::query(
        "SELECT user_version, (SELECT count(*) FROM sqlite_schema) AS tables FROM pragma_user_version",
    )
    .fetch_one(&mut *conn)
    .await?;
    match (row.try_get("user_version")?, row.try_get("tables")?) {
        (VERSION, _) => Ok(()),
        (0, 0i64) => {
            sqlx::raw_sql(TABLES).execute(conn).await?;
            Ok(())
        }
        (newer, _) if newer > VERSION => Err(OpenError::Newer(newer)),
        (older, _) if older > 0 => Err(OpenError::Older(older)),
        _ => Err(OpenError::Foreign),
    }
}
