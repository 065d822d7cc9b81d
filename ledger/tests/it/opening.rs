//! Opening the ledger: schema version, durability, passwords and the clock.

use ledger::{Error, Ledger, QueueReading};
use testkit::Postgres;

use crate::harness::{LedgerHarness, Store, candidates, execute_sql};

async fn open_error(url: &str) -> String {
    Ledger::open_postgres(url, 2).await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_database_of_another_schema_version_is_refused() {
    let postgres = Postgres::start().await;
    let url = postgres.url();
    let message = open_error(&url).await;
    assert!(message.contains("run `firstcome migrate`"), "{message}");
    Ledger::migrate(&url).await.unwrap();
    Ledger::open_postgres(&url, 2).await.unwrap();
    execute_sql(&url, "UPDATE ledger._sqlx_migrations SET version = 99 WHERE version = 1").await.unwrap();
    let message = open_error(&url).await;
    assert!(message.contains("version 99") && message.contains("run the newer program"), "{message}");
    let message = Ledger::migrate(&url).await.unwrap_err().to_string();
    assert!(message.contains("run the newer program"), "{message}");
    execute_sql(&url, "DELETE FROM ledger._sqlx_migrations WHERE version = 99").await.unwrap();
    let message = open_error(&url).await;
    assert!(message.contains("version 0") && message.contains("run `firstcome migrate`"), "{message}");
}

#[tokio::test]
async fn a_migration_is_safe_to_repeat_and_to_run_concurrently() {
    let postgres = Postgres::start().await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let url = postgres.url();
        tasks.spawn(async move { Ledger::migrate(&url).await });
    }
    for migrated in tasks.join_all().await {
        migrated.unwrap();
    }
    Ledger::migrate(&postgres.url()).await.unwrap();
    Ledger::open_postgres(&postgres.url(), 1).await.unwrap();
}

#[tokio::test]
async fn a_migration_that_was_edited_after_it_ran_is_refused() {
    let postgres = Postgres::start().await;
    Ledger::migrate(&postgres.url()).await.unwrap();
    execute_sql(&postgres.url(), "UPDATE ledger._sqlx_migrations SET checksum = 'x' WHERE version = 1")
        .await
        .unwrap();
    let refused = Ledger::migrate(&postgres.url()).await;
    assert!(matches!(refused, Err(Error::Schema(_))), "{refused:?}");
}

#[tokio::test]
async fn a_database_without_durable_commits_is_refused() {
    let postgres = Postgres::start().await;
    let url = postgres.url();
    Ledger::migrate(&url).await.unwrap();
    execute_sql(&url, "ALTER DATABASE postgres SET synchronous_commit = off").await.unwrap();
    let refused = Ledger::open_postgres(&url, 2).await;
    assert!(matches!(refused, Err(Error::NotDurable("synchronous_commit"))), "{refused:?}");
    execute_sql(&url, "ALTER DATABASE postgres RESET synchronous_commit").await.unwrap();
    Ledger::open_postgres(&url, 2).await.unwrap();
    execute_sql(&url, "ALTER SYSTEM SET fsync = off").await.unwrap();
    execute_sql(&url, "SELECT pg_reload_conf()").await.unwrap();
    let refused = loop {
        // The server reloads its settings a moment later.
        match Ledger::open_postgres(&url, 2).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, Error::NotDurable("fsync")), "{refused:?}");
}

#[tokio::test]
async fn no_error_and_no_debug_output_contains_the_password() {
    let postgres = Postgres::start().await;
    execute_sql(&postgres.url(), "CREATE ROLE locked NOLOGIN").await.unwrap();
    let port = postgres.url().rsplit_once(':').unwrap().1.split('/').next().unwrap().to_owned();
    for url in [
        format!("postgres://locked:s3cret@127.0.0.1:{port}/postgres"),
        format!("postgres://postgres:s3cret@127.0.0.1:{port}/no-such-database"),
        "postgres://postgres:s3cret@127.0.0.1:1/postgres".into(),
        "postgres://postgres:s3cret@no-such-host.invalid/postgres".into(),
        "postgres://postgres:s3cret@127.0.0.1:port/postgres".into(),
        format!("postgres://postgres:s3cret@127.0.0.1:{port}/postgres?sslmode=nonsense"),
        format!("mysql://postgres:s3cret@127.0.0.1:{port}/postgres"),
        "s3cret".into(),
    ] {
        let error = Ledger::open_postgres(&url, 2).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
        let error = Ledger::migrate(&url).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }
    Ledger::migrate(&postgres.url()).await.unwrap();
    let ledger =
        Ledger::open_postgres(&postgres.url().replace("postgres@", "postgres:s3cret@"), 2).await.unwrap();
    assert!(!format!("{ledger:?}").contains("s3cret"));
}

#[tokio::test]
async fn the_ledger_uses_the_clock_of_the_server() {
    let postgres = Postgres::start().await;
    Ledger::migrate(&postgres.url()).await.unwrap();
    let ledger = Ledger::open_postgres(&postgres.url(), 2).await.unwrap();
    let first = ledger.time().await.unwrap();
    let second = ledger.time().await.unwrap();
    assert!(first > 1_700_000_000_000 && first <= second, "{first} {second}");
}

#[tokio::test]
async fn end_leases_does_nothing_on_postgres() {
    let harness = LedgerHarness::open(Store::Postgres, 1).await;
    harness.ledger.end_leases().await.unwrap();
    assert_eq!(harness.ledger.acquire_leadership(&harness.event).await.unwrap(), None);
}

/// SQLite ends a transaction itself when the disk is full, as the trigger does here. The next transaction must get a connection that
/// works.
#[tokio::test]
async fn a_write_succeeds_after_sqlite_has_ended_a_transaction() {
    let harness = LedgerHarness::open(Store::Sqlite, 3).await;
    let url = harness.sqlite_url();
    execute_sql(
        &url,
        "CREATE TRIGGER full BEFORE INSERT ON application BEGIN SELECT RAISE(ROLLBACK, 'full'); END",
    )
    .await
    .unwrap();
    for _ in 0..2 {
        let refused = harness
            .ledger
            .admit(&harness.event, harness.fence, &candidates([1]), QueueReading::default())
            .await
            .unwrap_err()
            .to_string();
        assert!(refused.contains("full"), "{refused}");
    }
    execute_sql(&url, "DROP TRIGGER full").await.unwrap();
    assert_eq!(harness.admit([1]).await.seated, 1);
}
