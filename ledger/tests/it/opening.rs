//! Postgres: what is needed before the ledger opens, and what it says otherwise.

use ledger::{Error, Ledger};
use testkit::Postgres;

use crate::harness::{LedgerHarness, Store, candidates, meddle};

async fn refusal(url: &str) -> String {
    Ledger::open_postgres(url, 2).await.unwrap_err().to_string()
}

#[tokio::test]
async fn without_tables_or_with_those_of_another_version_the_ledger_stays_closed() {
    let postgres = Postgres::start().await;
    let url = postgres.url();
    let said = refusal(&url).await;
    assert!(said.contains("run `firstcome migrate`"), "{said}");
    Ledger::migrate(&url).await.unwrap();
    Ledger::open_postgres(&url, 2).await.unwrap();
    meddle(&url, "UPDATE ledger._sqlx_migrations SET version = 99 WHERE version = 1").await.unwrap();
    let said = refusal(&url).await;
    assert!(said.contains("version 99") && said.contains("run the newer program"), "{said}");
    let said = Ledger::migrate(&url).await.unwrap_err().to_string();
    assert!(said.contains("run the newer program"), "{said}");
    meddle(&url, "DELETE FROM ledger._sqlx_migrations WHERE version = 99").await.unwrap();
    let said = refusal(&url).await;
    assert!(said.contains("version 0") && said.contains("run `firstcome migrate`"), "{said}");
}

#[tokio::test]
async fn migrating_is_safe_to_repeat_and_to_do_from_many_processes_at_once() {
    let postgres = Postgres::start().await;
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let url = postgres.url();
        all.spawn(async move { Ledger::migrate(&url).await });
    }
    for done in all.join_all().await {
        done.unwrap();
    }
    Ledger::migrate(&postgres.url()).await.unwrap();
    Ledger::open_postgres(&postgres.url(), 1).await.unwrap();
}

#[tokio::test]
async fn a_step_that_was_edited_after_it_was_done_is_refused() {
    let postgres = Postgres::start().await;
    Ledger::migrate(&postgres.url()).await.unwrap();
    meddle(&postgres.url(), "UPDATE ledger._sqlx_migrations SET checksum = 'x' WHERE version = 1")
        .await
        .unwrap();
    let refused = Ledger::migrate(&postgres.url()).await;
    assert!(matches!(refused, Err(Error::Schema(_))), "{refused:?}");
}

#[tokio::test]
async fn a_database_that_may_forget_what_it_acknowledged_is_refused() {
    let postgres = Postgres::start().await;
    let url = postgres.url();
    Ledger::migrate(&url).await.unwrap();
    meddle(&url, "ALTER DATABASE postgres SET synchronous_commit = off").await.unwrap();
    let refused = Ledger::open_postgres(&url, 2).await;
    assert!(matches!(refused, Err(Error::NotDurable("synchronous_commit"))), "{refused:?}");
    meddle(&url, "ALTER DATABASE postgres RESET synchronous_commit").await.unwrap();
    Ledger::open_postgres(&url, 2).await.unwrap();
    meddle(&url, "ALTER SYSTEM SET fsync = off").await.unwrap();
    meddle(&url, "SELECT pg_reload_conf()").await.unwrap();
    let refused = loop {
        // The server reads its settings again a moment later.
        match Ledger::open_postgres(&url, 2).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, Error::NotDurable("fsync")), "{refused:?}");
}

#[tokio::test]
async fn no_error_and_no_debug_print_holds_the_password() {
    let postgres = Postgres::start().await;
    meddle(&postgres.url(), "CREATE ROLE locked NOLOGIN").await.unwrap();
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
async fn the_clock_is_the_servers_whatever_the_process_thinks() {
    let postgres = Postgres::start().await;
    Ledger::migrate(&postgres.url()).await.unwrap();
    let ledger = Ledger::open_postgres(&postgres.url(), 2).await.unwrap();
    let (first, second) = (ledger.time().await.unwrap(), ledger.time().await.unwrap());
    assert!(first > 1_700_000_000_000 && first <= second, "{first} {second}");
}

#[tokio::test]
async fn a_shared_ledger_is_left_by_one_process_without_ending_the_leases_of_others() {
    let harness = LedgerHarness::open(Store::Postgres, 1).await;
    harness.ledger.end_leases().await.unwrap();
    assert_eq!(harness.ledger.acquire_leadership(&harness.event).await.unwrap(), None);
}

/// SQLite: it ends the transaction itself when the disk is full, as it does here; the next one must find a good connection.
#[tokio::test]
async fn after_a_transaction_that_the_database_ended_the_ledger_is_written_again() {
    let harness = LedgerHarness::open(Store::Sqlite, 3).await;
    let url = harness.sqlite_url();
    meddle(
        &url,
        "CREATE TRIGGER full BEFORE INSERT ON application BEGIN SELECT RAISE(ROLLBACK, 'full'); END",
    )
    .await
    .unwrap();
    for _ in 0..2 {
        let refused = harness
            .ledger
            .admit(&harness.event, harness.fence, &candidates([1]))
            .await
            .unwrap_err()
            .to_string();
        assert!(refused.contains("full"), "{refused}");
    }
    meddle(&url, "DROP TRIGGER full").await.unwrap();
    assert_eq!(harness.admit([1]).await.seated, 1);
}
