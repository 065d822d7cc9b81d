//! Postgres: what is needed before the book opens, and what it says otherwise.

use orders::{Book, BookError};
use testkit::Postgres;

use crate::desk::{Desk, Session, Store, meddle, newcomers};

async fn refusal(url: &str) -> String {
    Book::open_postgres(url, 2).await.unwrap_err().to_string()
}

#[tokio::test]
async fn without_tables_or_with_those_of_another_version_the_book_stays_closed() {
    let postgres = Postgres::start().await;
    let url = postgres.url();
    let said = refusal(&url).await;
    assert!(said.contains("run `firstcome migrate`"), "{said}");
    Book::migrate(&url).await.unwrap();
    Book::open_postgres(&url, 2).await.unwrap();
    meddle(&url, "UPDATE book._sqlx_migrations SET version = 99 WHERE version = 2").await.unwrap();
    let said = refusal(&url).await;
    assert!(said.contains("version 99") && said.contains("run the newer program"), "{said}");
    let said = Book::migrate(&url).await.unwrap_err().to_string();
    assert!(said.contains("run the newer program"), "{said}");
    meddle(&url, "DELETE FROM book._sqlx_migrations WHERE version = 99").await.unwrap();
    let said = refusal(&url).await;
    assert!(said.contains("version 1") && said.contains("run `firstcome migrate`"), "{said}");
}

#[tokio::test]
async fn migrating_is_safe_to_repeat_and_to_do_from_many_processes_at_once() {
    let postgres = Postgres::start().await;
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let url = postgres.url();
        all.spawn(async move { Book::migrate(&url).await });
    }
    for done in all.join_all().await {
        done.unwrap();
    }
    Book::migrate(&postgres.url()).await.unwrap();
    Book::open_postgres(&postgres.url(), 1).await.unwrap();
}

#[tokio::test]
async fn a_step_that_was_edited_after_it_was_done_is_refused() {
    let postgres = Postgres::start().await;
    Book::migrate(&postgres.url()).await.unwrap();
    meddle(&postgres.url(), "UPDATE book._sqlx_migrations SET checksum = 'x' WHERE version = 1")
        .await
        .unwrap();
    let refused = Book::migrate(&postgres.url()).await;
    assert!(matches!(refused, Err(BookError::Schema(_))), "{refused:?}");
}

#[tokio::test]
async fn what_was_audited_before_the_room_came_is_still_there() {
    let postgres = Postgres::start().await;
    let folder = testkit::TempFolder::new("old-book");
    let file = format!("sqlite://{}?mode=rwc", folder.path().join("book.db").display());
    for (url, setup) in [(file, ""), (postgres.url(), "CREATE SCHEMA book; SET search_path = book;")] {
        let mut session = Session::open(&url).await.unwrap();
        let steps = [
            include_str!("../../../migrations/0001_book.sql"),
            include_str!("../../../migrations/0002_room.sql"),
        ];
        session.run(&format!("{setup}{}", steps[0])).await.unwrap();
        session
            .run("INSERT INTO audit VALUES ('spring', 1, 5, 'kim', 'create', '', '', '{}')")
            .await
            .unwrap();
        session.run(steps[1]).await.unwrap();
        assert_eq!(session.count("SELECT at FROM audit WHERE event = 'spring' AND actor = 'kim'").await, 5);
    }
}

#[tokio::test]
async fn a_database_that_may_forget_what_it_acknowledged_is_refused() {
    let postgres = Postgres::start().await;
    let url = postgres.url();
    Book::migrate(&url).await.unwrap();
    meddle(&url, "ALTER DATABASE postgres SET synchronous_commit = off").await.unwrap();
    let refused = Book::open_postgres(&url, 2).await;
    assert!(matches!(refused, Err(BookError::NotDurable("synchronous_commit"))), "{refused:?}");
    meddle(&url, "ALTER DATABASE postgres RESET synchronous_commit").await.unwrap();
    Book::open_postgres(&url, 2).await.unwrap();
    meddle(&url, "ALTER SYSTEM SET fsync = off").await.unwrap();
    meddle(&url, "SELECT pg_reload_conf()").await.unwrap();
    let refused = loop {
        // The server reads its settings again a moment later.
        match Book::open_postgres(&url, 2).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, BookError::NotDurable("fsync")), "{refused:?}");
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
        let error = Book::open_postgres(&url, 2).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
        let error = Book::migrate(&url).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }
    Book::migrate(&postgres.url()).await.unwrap();
    let book =
        Book::open_postgres(&postgres.url().replace("postgres@", "postgres:s3cret@"), 2).await.unwrap();
    assert!(!format!("{book:?}").contains("s3cret"));
}

#[tokio::test]
async fn the_clock_is_the_servers_whatever_the_process_thinks() {
    let postgres = Postgres::start().await;
    Book::migrate(&postgres.url()).await.unwrap();
    let book = Book::open_postgres(&postgres.url(), 2).await.unwrap();
    let (first, second) = (book.time().await.unwrap(), book.time().await.unwrap());
    assert!(first > 1_700_000_000_000 && first <= second, "{first} {second}");
}

#[tokio::test]
async fn a_shared_book_is_left_by_one_process_without_ending_the_leases_of_others() {
    let desk = Desk::open(Store::Postgres, 1).await;
    desk.book.end_leases().await.unwrap();
    assert_eq!(desk.book.lead(&desk.event).await.unwrap(), None);
}

/// SQLite: it ends the transaction itself when the disk is full, as it does here; the next one must find a good connection.
#[tokio::test]
async fn after_a_transaction_that_the_database_ended_the_book_is_written_again() {
    let desk = Desk::open(Store::Sqlite, 3).await;
    let url = desk.sqlite_url();
    meddle(
        &url,
        "CREATE TRIGGER full BEFORE INSERT ON application BEGIN SELECT RAISE(ROLLBACK, 'full'); END",
    )
    .await
    .unwrap();
    for _ in 0..2 {
        let refused = desk.book.take(&desk.event, desk.fence, &newcomers([1])).await.unwrap_err().to_string();
        assert!(refused.contains("full"), "{refused}");
    }
    meddle(&url, "DROP TRIGGER full").await.unwrap();
    assert_eq!(desk.take([1]).await.seated, 1);
}
