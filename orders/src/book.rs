//! Opening the book, and how its parts talk to the database. What is written stands in the other files, one job each.

use std::path::Path;
use std::str::FromStr;
use std::sync::Once;

use domain::Now;
use domain::event::BadSettings;
use sqlx::any::{AnyPoolOptions, AnyRow, install_default_drivers};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{Any, AnyPool, Row, SqlSafeStr, Transaction};

use crate::dialect::Dialect;

pub(crate) type Tx = Transaction<'static, Any>;

/// The SQL of the book, in order. Written out here since sqlx's macro would build every driver a second time for the host.
const MIGRATIONS: [(i64, &str, &str); 1] = [(1, "book", include_str!("../../migrations/0001_book.sql"))];

/// Read connections of the embedded book.
const READERS: u32 = 4;

/// Why the book did not do it. Nothing was written, unless the connection broke at the commit: then read again.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// Somebody else leads now, or leads no more: stop.
    #[error("the lead of this event was lost")]
    Lost,
    /// The line contradicts the book; nobody is moved until an operator looked.
    #[error("the event is frozen: {0}")]
    Frozen(String),
    /// There is no such event.
    #[error("the book has no event '{0}'")]
    UnknownEvent(String),
    /// The settings cannot be.
    #[error("the settings are wrong: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Settings(Vec<BadSettings>),
    /// A row says what cannot be; somebody wrote past us.
    #[error("the book is inconsistent: {0}")]
    Inconsistent(String),
    /// The database did not answer, or could not write.
    #[error("the book cannot be reached: {0}")]
    Unavailable(#[from] sqlx::Error),
    /// The book's tables do not fit this program.
    #[error("the book's tables do not fit this program: {0}")]
    Schema(#[from] sqlx::migrate::MigrateError),
}

/// A handle on the book; cloning it is cheap.
#[derive(Clone)]
pub struct Book {
    write: AnyPool,
    read: AnyPool,
    dialect: Dialect,
}

impl std::fmt::Debug for Book {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Book")
    }
}

impl Book {
    /// Opens the embedded book, making the file and its tables if they are missing.
    pub async fn open_sqlite(file: &Path, now: Now) -> Result<Self, BookError> {
        let write = sqlite_pool(file, "rwc", 1).await?;
        migrator().run(&write).await?;
        let read = sqlite_pool(file, "rw", READERS).await?;
        Ok(Self { write, read, dialect: Dialect::Sqlite(now) })
    }

    pub(crate) async fn begin(&self) -> Result<Tx, BookError> {
        Ok(self.write.begin_with(self.dialect.begin()).await?)
    }

    pub(crate) async fn now(&self, tx: &mut Tx) -> Result<domain::Millis, BookError> {
        self.dialect.now(tx).await
    }

    pub(crate) fn reader(&self) -> &AnyPool {
        &self.read
    }

    /// Closes the connections, so that the last one writes the log back into the file.
    pub async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}

fn migrator() -> Migrator {
    let made = MIGRATIONS.map(|(version, name, sql)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    Migrator::with_migrations(made.into())
}

/// WAL with `synchronous = FULL`: a commit is on disk before it is answered.
async fn sqlite_pool(file: &Path, mode: &str, connections: u32) -> Result<AnyPool, BookError> {
    static DRIVERS: Once = Once::new();
    DRIVERS.call_once(install_default_drivers);
    let path = file
        .to_str()
        .ok_or_else(|| sqlx::Error::Configuration("the path of the book is not UTF-8".into()))?;
    let pool = AnyPoolOptions::new().max_connections(connections).after_connect(|connection, _| {
        Box::pin(async move {
            let pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000;";
            sqlx::raw_sql(pragmas).execute(connection).await.map(|_| ())
        })
    });
    let url =
        format!("sqlite://{}?mode={mode}", path.replace('%', "%25").replace('?', "%3F").replace('#', "%23"));
    Ok(pool.connect(&url).await?)
}

/// Reads a column, or tells which one cannot be.
pub(crate) fn text(row: &AnyRow, column: &str) -> Result<String, BookError> {
    Ok(row.try_get(column)?)
}

/// Reads a column that may be NULL.
pub(crate) fn maybe_text(row: &AnyRow, column: &str) -> Result<Option<String>, BookError> {
    Ok(row.try_get(column)?)
}

/// Reads a column.
pub(crate) fn int(row: &AnyRow, column: &str) -> Result<i64, BookError> {
    Ok(row.try_get(column)?)
}

/// Reads a count, a seat or another number that is never negative.
pub(crate) fn count(row: &AnyRow, column: &str) -> Result<u32, BookError> {
    u32::try_from(int(row, column)?).map_err(|_| BookError::Inconsistent(format!("{column} is out of range")))
}

/// Reads a column that holds something with a printed form: a key, an id.
pub(crate) fn parsed<T: FromStr>(row: &AnyRow, column: &str) -> Result<T, BookError> {
    let text = text(row, column)?;
    text.parse().map_err(|_| BookError::Inconsistent(format!("{column} cannot be '{text}'")))
}

/// Reads an application's number.
pub(crate) fn number(row: &AnyRow) -> Result<domain::Number, BookError> {
    int(row, "number")?.try_into().map_err(|_| BookError::Inconsistent("a number is out of range".into()))
}
