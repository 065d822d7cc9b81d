//! The shop's database: a SQLite file with products, regular orders and event orders. This file opens and closes it.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, Sqlite, SqlitePool, Transaction};

use crate::catalog::PRODUCTS;

/// Read connections.
const READERS: u32 = 4;
/// How long a writer waits for a lock; only an external tool on the file can hold one that long.
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

/// The database; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    write: SqlitePool,
    pub(crate) read: SqlitePool,
}

impl Store {
    /// Opens the file, or creates it with this many pieces of each product.
    pub(crate) async fn open(file: &Path, stock: u32) -> anyhow::Result<Self> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A commit is on disk before the response.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let write = pool(1).connect_with(options.clone()).await?;
        sqlx::raw_sql(TABLES).execute(&write).await?;
        let read = pool(READERS).connect_with(options).await?;
        let store = Self { write, read };
        store.add_products(stock).await?;
        Ok(store)
    }

    async fn add_products(&self, stock: u32) -> Result<(), sqlx::Error> {
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

    /// Begins a write transaction. `IMMEDIATE`, because a deferred one fails on its first write if another has written since.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.write.begin_with("BEGIN IMMEDIATE").await
    }

    /// Checks that the database responds.
    pub(crate) async fn check(&self) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT 1 FROM product LIMIT 1").fetch_one(&self.read).await.map(|_| ())
    }

    /// Closes the connections; the last one checkpoints the write-ahead log.
    pub(crate) async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        // On a full disk SQLite ends the transaction itself, and sqlx then miscounts the nesting for good.
        .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
}
