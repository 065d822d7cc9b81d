//! The ledger on Postgres: session settings, the durability check, migrations and grants.

use std::time::Duration;

use domain::DomainEventKinds;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyConnection, AnyPool, ConnectOptions, Connection};

use crate::store::column::text;
use crate::store::dialect::{self, Dialect};
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::store::schema;

/// The longest wait for a connection. A longer wait is an outage: callers handle an error better than a growing backlog of waiting
/// calls.
const ACQUIRE_MAX: Duration = Duration::from_secs(5);

/// The time limit of the check of a connection that was released, possibly in the middle of a statement. In a network that drops
/// all packets the check would otherwise never end, and the pool would lose that connection.
const RELEASE_MAX: Duration = Duration::from_secs(3);

/// Session settings. Every transaction of the ledger is designed for `read committed`, whatever the database's default. The
/// timeouts release the locks and transactions of a process that has stopped. A process that runs into a timeout may retry.
const SESSION: &str = "SET search_path = ledger; SET default_transaction_isolation = 'read committed';
    SET statement_timeout = '10s'; SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '10s';
    SELECT set_config('application_name', 'firstcome', false) WHERE current_setting('application_name') = ''";

/// Session settings of a migration, which may take long and waits for another migration that is running.
const MIGRATING: &str = "SET search_path = ledger; SET statement_timeout = 0; SET lock_timeout = '60s';
    SET client_min_messages = warning;
    SELECT set_config('application_name', 'firstcome migrate', false) WHERE current_setting('application_name') = ''";

impl Ledger {
    /// Opens the ledger at this address (`postgres://user:password@host/database`) with at most `connections` connections. The
    /// tables must exist: see [`Ledger::migrate`]. Fails if the database may lose commits that it has acknowledged.
    pub async fn open_postgres(url: &str, connections: u32) -> Result<Self, Error> {
        let options = options(url)?;
        // One connection is tried first, because the pool reports every failure to connect as a timeout.
        let mut first = connect(&options, SESSION).await?;
        check_durability(&mut first).await?;
        schema::check(&mut first).await?;
        first.close().await?;
        Ok(Self::shared(pool(options, connections, SESSION)))
    }

    fn shared(pool: AnyPool) -> Self {
        Self {
            write: pool.clone(),
            read: pool,
            dialect: Dialect::Postgres,
            kinds: DomainEventKinds::default(),
        }
    }

    /// Creates the tables at this address or migrates them to the version of this program. Safe to repeat, and to run from two
    /// processes at once. The user must own the tables and be allowed to create a schema.
    pub async fn migrate(url: &str) -> Result<(), Error> {
        let options = options(url)?;
        let mut first = connect(&options, MIGRATING).await?;
        schema::check_not_newer(&mut first).await?;
        first.close().await?;
        let pool = pool(options, 1, MIGRATING);
        let migrated = schema::run(&schema::postgres(), &pool).await;
        pool.close().await;
        migrated
    }

    /// Creates the roles of `migrations/roles.sql` and grants each one its rights. Safe to repeat; repeat it after a migration
    /// that adds a table. The user must own the tables and be allowed to create roles.
    pub async fn grant_roles(url: &str) -> Result<(), Error> {
        let mut connection = connect(&options(url)?, MIGRATING).await?;
        schema::check(&mut connection).await?;
        sqlx::raw_sql(include_str!("../../../migrations/roles.sql")).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }
}

/// Parses the address. Errors do not contain the address, since it may contain a password.
fn options(url: &str) -> Result<AnyConnectOptions, Error> {
    dialect::install_drivers();
    if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
        return Err(sqlx::Error::Configuration("its address must begin with postgres://".into()).into());
    }
    Ok(url.parse()?)
}

async fn connect(options: &AnyConnectOptions, setup: &'static str) -> Result<AnyConnection, Error> {
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

/// Fails unless commits are on disk before they are acknowledged: a published outcome or an assigned seat must not be lost.
async fn check_durability(connection: &mut AnyConnection) -> Result<(), Error> {
    let row = sqlx::query(
        "SELECT current_setting('synchronous_commit') AS synchronous_commit, current_setting('fsync') AS fsync",
    )
    .fetch_one(connection)
    .await?;
    for setting in ["synchronous_commit", "fsync"] {
        if text(&row, setting)? == "off" {
            return Err(Error::NotDurable(setting));
        }
    }
    Ok(())
}
