//! The ledger on Postgres: how a connection is set up, what the database must promise, and making or granting its tables.

use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyConnection, AnyPool, ConnectOptions, Connection};

use crate::dialect::Dialect;
use crate::ledger::{Ledger, LedgerError, install_drivers, text};
use crate::schema;

/// Longer waits are an outage, which the caller survives better than a queue of waiting calls.
const ACQUIRE_MAX: Duration = Duration::from_secs(5);

/// A connection that was left in the middle of a statement is asked so long whether it is still good. A network that swallows
/// everything would let it wait for ever, and the pool would be short of one.
const RELEASE_MAX: Duration = Duration::from_secs(3);

/// The isolation that every transaction here was thought through for, whatever the database's default. The timeouts end what a
/// stopped process would hold for ever: locks, a transaction. Whoever is ended by one may ask again.
const SESSION: &str = "SET search_path = ledger; SET default_transaction_isolation = 'read committed';
    SET statement_timeout = '10s'; SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '10s';
    SELECT set_config('application_name', 'firstcome', false) WHERE current_setting('application_name') = ''";

/// A migration may take long, and waits for another that runs.
const MIGRATING: &str = "SET search_path = ledger; SET statement_timeout = 0; SET lock_timeout = '60s';
    SET client_min_messages = warning;
    SELECT set_config('application_name', 'firstcome migrate', false) WHERE current_setting('application_name') = ''";

impl Ledger {
    /// Opens the ledger at this address (`postgres://user:password@host/database`) with at most so many connections. Its tables
    /// must be there: see [`Ledger::migrate`]. A database that may forget what it acknowledged is refused.
    pub async fn open_postgres(url: &str, connections: u32) -> Result<Self, LedgerError> {
        let options = options(url)?;
        // Tried with one connection first: the pool would only say that it timed out.
        let mut first = connect(&options, SESSION).await?;
        check_durability(&mut first).await?;
        schema::check(&mut first).await?;
        first.close().await?;
        Ok(Self::shared(pool(options, connections, SESSION)))
    }

    fn shared(pool: AnyPool) -> Self {
        Self { write: pool.clone(), read: pool, dialect: Dialect::Postgres }
    }

    /// Makes the tables at this address, or brings them up to this program. Safe to repeat, and to run from two processes at
    /// once. The address is that of the tables' owner, who may create a schema.
    pub async fn migrate(url: &str) -> Result<(), LedgerError> {
        let options = options(url)?;
        let mut first = connect(&options, MIGRATING).await?;
        schema::check_not_newer(&mut first).await?;
        first.close().await?;
        let pool = pool(options, 1, MIGRATING);
        let done = schema::run(&schema::postgres(), &pool).await;
        pool.close().await;
        done
    }

    /// Makes the roles of `migrations/roles.sql` and grants each what it needs. Safe to repeat; needed again after a migration
    /// that adds a table. The address is that of the tables' owner, who may create roles.
    pub async fn grant_roles(url: &str) -> Result<(), LedgerError> {
        let mut connection = connect(&options(url)?, MIGRATING).await?;
        schema::check(&mut connection).await?;
        sqlx::raw_sql(include_str!("../../migrations/roles.sql")).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }
}

/// Reads the address. What is wrong is told without it, since it may hold a password.
fn options(url: &str) -> Result<AnyConnectOptions, LedgerError> {
    install_drivers();
    if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
        return Err(sqlx::Error::Configuration("its address must begin with postgres://".into()).into());
    }
    Ok(url.parse()?)
}

async fn connect(options: &AnyConnectOptions, setup: &'static str) -> Result<AnyConnection, LedgerError> {
    let connected = async {
        let mut connection = options.connect().await?;
        sqlx::raw_sql(setup).execute(&mut connection).await?;
        Ok(connection)
    };
    tokio::time::timeout(ACQUIRE_MAX, connected).await.unwrap_or(Err(sqlx::Error::PoolTimedOut.into()))
}

fn pool(options: AnyConnectOptions, connections: u32, setup: &'static str) -> AnyPool {
    AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_MAX)
        .after_connect(move |connection, _| {
            Box::pin(async move { sqlx::raw_sql(setup).execute(connection).await.map(|_| ()) })
        })
        .after_release(|connection, _| {
            Box::pin(async move {
                let alive = tokio::time::timeout(RELEASE_MAX, connection.ping()).await;
                alive.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map(|()| true)
            })
        })
        .connect_lazy_with(options)
}

/// A commit must be on disk before it is answered: an outcome that was shown, or a seat that was given, may not be forgotten.
async fn check_durability(connection: &mut AnyConnection) -> Result<(), LedgerError> {
    let row = sqlx::query(
        "SELECT current_setting('synchronous_commit') AS synchronous_commit, current_setting('fsync') AS fsync",
    )
    .fetch_one(connection)
    .await?;
    for setting in ["synchronous_commit", "fsync"] {
        if text(&row, setting)? == "off" {
            return Err(LedgerError::NotDurable(setting));
        }
    }
    Ok(())
}
