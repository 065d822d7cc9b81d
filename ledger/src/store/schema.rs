//! The schema of the ledger: the numbered migrations in `migrations/`, and the check of a database's version.

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AnyConnection, AnyPool, Row, SqlSafeStr};

use crate::store::error::Error;

/// The Postgres schema of the ledger, in a database that other programs may share.
pub(crate) const SCHEMA: &str = "ledger";

/// One migration.
#[derive(Clone, Copy)]
struct SchemaVersion {
    version: i64,
    name: &'static str,
    sql: &'static str,
}

/// The migrations of both databases. They are listed by hand because sqlx's macro would build every driver a second time for the
/// host.
const LEDGER: [SchemaVersion; 1] =
    [SchemaVersion { version: 1, name: "ledger", sql: include_str!("../../../migrations/0001_ledger.sql") }];

/// The functions that `SQLite` has built in and Postgres lacks.
const POSTGRES: SchemaVersion = SchemaVersion {
    version: 0,
    name: "postgres",
    sql: include_str!("../../../migrations/0000_postgres.sql"),
};

/// The version that this program needs.
const NEWEST: i64 = LEDGER[LEDGER.len() - 1].version;

/// The migrations of the embedded ledger.
pub(crate) fn sqlite() -> Migrator {
    migrator(&LEDGER)
}

/// The migrations of Postgres. The migrator takes an advisory lock on the database, so two processes may run it at once.
pub(crate) fn postgres() -> Migrator {
    let mut migrator = migrator(&[&[POSTGRES], &LEDGER[..]].concat());
    migrator.create_schema(SCHEMA);
    migrator
}

fn migrator(versions: &[SchemaVersion]) -> Migrator {
    let migrations = versions.iter().map(|schema| {
        Migration::new(
            schema.version,
            schema.name.into(),
            MigrationType::Simple,
            schema.sql.into_sql_str(),
            false,
        )
    });
    Migrator::with_migrations(migrations.collect())
}

/// Runs the migrations that the database does not have yet.
pub(crate) async fn run(migrator: &Migrator, pool: &AnyPool) -> Result<(), Error> {
    migrator.run(pool).await.map_err(|error| Error::Schema(error.to_string()))
}

/// Fails unless a Postgres database has exactly the schema version of this program.
pub(crate) async fn check(connection: &mut AnyConnection) -> Result<(), Error> {
    let problem = match version(connection).await? {
        Some(NEWEST) => return Ok(()),
        None => "there are no tables; run `firstcome migrate`".to_owned(),
        Some(version) if version < NEWEST => {
            format!("it is at version {version}, this program needs {NEWEST}; run `firstcome migrate`")
        }
        Some(version) => newer(version),
    };
    Err(Error::Schema(problem))
}

/// Fails if a newer program has migrated the database: an older program must not change its tables.
pub(crate) async fn check_not_newer(connection: &mut AnyConnection) -> Result<(), Error> {
    match version(connection).await? {
        Some(version) if version > NEWEST => Err(Error::Schema(newer(version))),
        _ => Ok(()),
    }
}

fn newer(version: i64) -> String {
    format!("it is at version {version}, this program is older and knows {NEWEST}; run the newer program")
}

/// Returns the version of the last migration; `None` in an empty database.
async fn version(connection: &mut AnyConnection) -> Result<Option<i64>, Error> {
    const UNDEFINED_TABLE: &str = "42P01";
    let newest = sqlx::query("SELECT MAX(version) AS version FROM ledger._sqlx_migrations WHERE success")
        .fetch_one(connection)
        .await;
    match newest {
        Ok(row) => Ok(row.try_get("version")?),
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(UNDEFINED_TABLE) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
