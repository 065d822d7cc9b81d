//! The tables of the ledger, as a list of numbered steps, and whether a database has them. The steps stand in `migrations/`.

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AnyConnection, AnyPool, Row, SqlSafeStr};

use crate::ledger::LedgerError;

/// The schema of the ledger in a Postgres database, which may be shared with others.
pub(crate) const SCHEMA: &str = "ledger";

/// Written out here since sqlx's macro would build every driver a second time for the host.
const LEDGER: [(i64, &str, &str); 1] = [(1, "ledger", include_str!("../../migrations/0001_ledger.sql"))];

/// What `SQLite` brings along and Postgres must be taught.
const POSTGRES: (i64, &str, &str) = (0, "postgres", include_str!("../../migrations/0000_postgres.sql"));

/// The steps for the embedded ledger.
pub(crate) fn sqlite() -> Migrator {
    migrator(&LEDGER)
}

/// The steps for Postgres. The migrator locks the database (an advisory lock), so that two processes may run it at once.
pub(crate) fn postgres() -> Migrator {
    let mut migrator = migrator(&[&[POSTGRES], &LEDGER[..]].concat());
    migrator.create_schema(SCHEMA);
    migrator
}

fn migrator(steps: &[(i64, &'static str, &'static str)]) -> Migrator {
    let made = steps.iter().map(|(version, name, sql)| {
        Migration::new(*version, (*name).into(), MigrationType::Simple, (*sql).into_sql_str(), false)
    });
    Migrator::with_migrations(made.collect())
}

/// Does the steps that are missing.
pub(crate) async fn run(steps: &Migrator, pool: &AnyPool) -> Result<(), LedgerError> {
    steps.run(pool).await.map_err(|error| LedgerError::Schema(error.to_string()))
}

/// Whether a Postgres database has just the tables that this program was written for.
pub(crate) async fn check(connection: &mut AnyConnection) -> Result<(), LedgerError> {
    let ours = LEDGER[LEDGER.len() - 1].0;
    let wrong = match version(connection).await? {
        Some(version) if version == ours => return Ok(()),
        None => "there are none; run `firstcome migrate`".to_owned(),
        Some(version) if version < ours => {
            format!("they are at version {version}, this program needs {ours}; run `firstcome migrate`")
        }
        Some(version) => newer(version),
    };
    Err(LedgerError::Schema(wrong))
}

/// Whether a newer program has been here: its tables are not to be touched by an older one.
pub(crate) async fn check_not_newer(connection: &mut AnyConnection) -> Result<(), LedgerError> {
    match version(connection).await? {
        Some(version) if version > LEDGER[LEDGER.len() - 1].0 => Err(LedgerError::Schema(newer(version))),
        _ => Ok(()),
    }
}

fn newer(version: i64) -> String {
    let ours = LEDGER[LEDGER.len() - 1].0;
    format!("they are at version {version}, this program is older and knows {ours}; run the newer program")
}

/// The last step that was done; `None` in an empty database.
async fn version(connection: &mut AnyConnection) -> Result<Option<i64>, LedgerError> {
    const UNDEFINED_TABLE: &str = "42P01";
    let asked = sqlx::query("SELECT MAX(version) AS version FROM ledger._sqlx_migrations WHERE success")
        .fetch_one(connection)
        .await;
    match asked {
        Ok(row) => Ok(row.try_get("version")?),
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(UNDEFINED_TABLE) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
