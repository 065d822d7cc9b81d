//! The shop's own database: a SQLite file with products, regular orders and the orders of events. Opening and closing only.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, Sqlite, SqlitePool, Transaction};

use crate::goods::PRODUCTS;

/// Read connections.
const READERS: u32 = 4;
/// Only somebody else's tool on the file makes a writer wait so long.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS product (
    id    INTEGER PRIMARY KEY,
    stock INTEGER NOT NULL CHECK (stock >= 0),
    sold  INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS sale (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    form_key TEXT    NOT NULL UNIQUE,
    product  INTEGER NOT NULL REFERENCES product (id),
    pieces   INTEGER NOT NULL CHECK (pieces > 0),
    at       INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS reservation (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    event   TEXT    NOT NULL,
    app_key TEXT    NOT NULL,
    live    INTEGER NOT NULL CHECK (live IN (0, 1)),
    number  INTEGER,
    guid    TEXT,
    name    TEXT,
    phone   TEXT,
    at      INTEGER NOT NULL,
    UNIQUE (event, app_key)
) STRICT;
CREATE INDEX IF NOT EXISTS reservation_live ON reservation (event, id) WHERE live = 1;
";

/// The database; a clone is the same one.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    write: SqlitePool,
    pub(crate) read: SqlitePool,
}

impl Store {
    /// Opens the file; makes it, with so many pieces of each product, if it is missing.
    pub(crate) async fn open(file: &Path, stock: u32) -> anyhow::Result<Self> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A commit is on disk before it is answered.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let write = pool(1).connect_with(options.clone()).await?;
        sqlx::raw_sql(TABLES).execute(&write).await?;
        let read = pool(READERS).connect_with(options).await?;
        let store = Self { write, read };
        store.fill_shelves(stock).await?;
        Ok(store)
    }

    async fn fill_shelves(&self, stock: u32) -> Result<(), sqlx::Error> {
        let mut tx = self.begin().await?;
        for product in &PRODUCTS {
            sqlx::query("INSERT INTO product (id, stock) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING")
                .bind(product.id)
                .bind(stock)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await
    }

    /// A writing transaction. `IMMEDIATE`, since a deferred one would fail on its first write if another had written since.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.write.begin_with("BEGIN IMMEDIATE").await
    }

    /// Whether the database answers.
    pub(crate) async fn look(&self) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT 1 FROM product LIMIT 1").fetch_one(&self.read).await.map(|_| ())
    }

    /// Closes the connections, so that the last one writes the log back into the file.
    pub(crate) async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        // SQLite itself ends a transaction that met a full disk, and sqlx then counts one too many for ever.
        .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
}
