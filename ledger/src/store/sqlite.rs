//! The embedded ledger: one `SQLite` file.

use std::path::Path;

use domain::{DomainEventKinds, Now};
use sqlx::any::AnyPoolOptions;
use sqlx::{AnyPool, Connection as _};

use crate::store::dialect::{self, Dialect};
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::store::schema;

/// Read connections of the embedded ledger.
const READERS: u32 = 4;

impl Ledger {
    /// Opens the embedded ledger and creates the file and its tables if they are missing.
    pub async fn open_sqlite(file: &Path, now: Now) -> Result<Self, Error> {
        let write = sqlite_pool(file, "rwc", 1).await?;
        schema::run(&schema::sqlite(), &write).await?;
        let read = sqlite_pool(file, "rw", READERS).await?;
        Ok(Self { write, read, dialect: Dialect::Sqlite(now), kinds: DomainEventKinds::default() })
    }
}

/// Connects with WAL and `synchronous = FULL`: a commit is on disk before it is acknowledged.
async fn sqlite_pool(file: &Path, mode: &str, connections: u32) -> Result<AnyPool, Error> {
    dialect::install_drivers();
    let path = file
        .to_str()
        .ok_or_else(|| sqlx::Error::Configuration("the path of the ledger is not UTF-8".into()))?;
    let pool = AnyPoolOptions::new()
        .max_connections(connections)
        // SQLite itself ends a transaction that met a full disk. sqlx then counts one transaction too many for the rest of the
        // connection's life, so such a connection is discarded.
        .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
        .after_connect(|connection, _| {
            Box::pin(async move {
                let pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000;";
                sqlx::raw_sql(pragmas).execute(connection).await.map(|_| ())
            })
        });
    let path = path.replace('%', "%25").replace('?', "%3F").replace('#', "%23");
    Ok(pool.connect(&format!("sqlite://{path}?mode={mode}")).await?)
}
