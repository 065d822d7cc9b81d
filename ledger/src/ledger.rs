//! Opening the ledger, and how its parts talk to the database. What is written stands in the other files, one job each.

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::str::FromStr;
use std::sync::Once;

use domain::Now;
use domain::event::BadSettings;
use sqlx::any::{AnyPoolOptions, AnyRow, install_default_drivers};
use sqlx::{Any, AnyConnection, AnyPool, Connection as _, Row, Transaction};

use crate::dialect::Dialect;
use crate::schema;

/// Read connections of the embedded ledger.
const READERS: u32 = 4;

/// Why the ledger did not do it. Nothing was written, unless the connection broke at the commit; then repeat the step, each is made for that.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Somebody else leads now, or leads no more: stop.
    #[error("the lead of this event was lost")]
    Lost,
    /// The queue contradicts the ledger; nobody is admitted until an operator looked.
    #[error("the event is frozen: {0}")]
    Frozen(String),
    /// There is no such event.
    #[error("the ledger has no event '{0}'")]
    UnknownEvent(String),
    /// The settings cannot be.
    #[error("the settings are wrong: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Settings(Vec<BadSettings>),
    /// A row says what cannot be; somebody wrote past us.
    #[error("the ledger is inconsistent: {0}")]
    Inconsistent(String),
    /// The database did not answer, or could not write: down, a lock held too long, a deadlock. Asking again is safe.
    #[error("the ledger cannot be reached: {0}")]
    Unavailable(#[from] sqlx::Error),
    /// The ledger's tables do not fit this program.
    #[error("the ledger's tables do not fit this program: {0}")]
    Schema(String),
    /// The database may forget what it acknowledged.
    #[error(
        "the ledger's database has {0} = off and could lose orders that it has acknowledged; turn it on for this database and user"
    )]
    NotDurable(&'static str),
}

/// A handle on the ledger; cloning it is cheap.
#[derive(Clone)]
pub struct Ledger {
    pub(crate) write: AnyPool,
    pub(crate) read: AnyPool,
    pub(crate) dialect: Dialect,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ledger")
    }
}

impl Ledger {
    /// Opens the embedded ledger, making the file and its tables if they are missing.
    pub async fn open_sqlite(file: &Path, now: Now) -> Result<Self, LedgerError> {
        let write = sqlite_pool(file, "rwc", 1).await?;
        schema::run(&schema::sqlite(), &write).await?;
        let read = sqlite_pool(file, "rw", READERS).await?;
        Ok(Self { write, read, dialect: Dialect::Sqlite(now) })
    }

    pub(crate) async fn begin(&self) -> Result<Tx, LedgerError> {
        let inner = self.write.begin_with(self.dialect.begin()).await?;
        Ok(Tx { inner, dialect: self.dialect.clone() })
    }

    pub(crate) async fn now(&self, tx: &mut Tx) -> Result<domain::Millis, LedgerError> {
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

/// A writing transaction; dropped without a commit, it leaves nothing.
pub(crate) struct Tx {
    inner: Transaction<'static, Any>,
    pub(crate) dialect: Dialect,
}

impl Tx {
    /// Makes it last. If the connection breaks here, nobody knows whether it did: `Unavailable` may stand for a commit. So every
    /// transaction of the ledger can be repeated: it locks, reads again and finds done what was done. `take` reports whom it knows
    /// from before; `record` finds its fence passed and is stale; `hear` starts behind `inbox_through`; limits and states only
    /// rise; a lease, an epoch or a lead whose answer was lost is used by nobody and runs out or is followed by the next.
    pub(crate) async fn commit(self) -> Result<(), LedgerError> {
        Ok(self.inner.commit().await?)
    }

    pub(crate) async fn rollback(self) -> Result<(), LedgerError> {
        Ok(self.inner.rollback().await?)
    }
}

impl Deref for Tx {
    type Target = AnyConnection;
    fn deref(&self) -> &AnyConnection {
        &self.inner
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }
}

/// Makes the databases known to sqlx, once.
pub(crate) fn install_drivers() {
    static DRIVERS: Once = Once::new();
    DRIVERS.call_once(install_default_drivers);
}

/// WAL with `synchronous = FULL`: a commit is on disk before it is answered.
async fn sqlite_pool(file: &Path, mode: &str, connections: u32) -> Result<AnyPool, LedgerError> {
    install_drivers();
    let path = file
        .to_str()
        .ok_or_else(|| sqlx::Error::Configuration("the path of the ledger is not UTF-8".into()))?;
    let pool = AnyPoolOptions::new()
        .max_connections(connections)
        // SQLite itself ends a transaction that met a full disk, and sqlx then counts one too many for ever: such a
        // connection is given up.
        .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
        .after_connect(|connection, _| {
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
pub(crate) fn text(row: &AnyRow, column: &str) -> Result<String, LedgerError> {
    Ok(row.try_get(column)?)
}

/// Reads a column that may be NULL.
pub(crate) fn maybe_text(row: &AnyRow, column: &str) -> Result<Option<String>, LedgerError> {
    Ok(row.try_get(column)?)
}

/// Reads a column.
pub(crate) fn int(row: &AnyRow, column: &str) -> Result<i64, LedgerError> {
    Ok(row.try_get(column)?)
}

/// Reads a count, a seat or another number that is never negative.
pub(crate) fn count(row: &AnyRow, column: &str) -> Result<u32, LedgerError> {
    u32::try_from(int(row, column)?)
        .map_err(|_| LedgerError::Inconsistent(format!("{column} is out of range")))
}

/// Reads a column that holds something with a printed form: a key, an id.
pub(crate) fn parsed<T: FromStr>(row: &AnyRow, column: &str) -> Result<T, LedgerError> {
    let text = text(row, column)?;
    text.parse().map_err(|_| LedgerError::Inconsistent(format!("{column} cannot be '{text}'")))
}

/// Reads an application's number.
pub(crate) fn number(row: &AnyRow) -> Result<domain::Number, LedgerError> {
    int(row, "number")?.try_into().map_err(|_| LedgerError::Inconsistent("a number is out of range".into()))
}
