//! Postgres: each role may do what its process does, and no more.

use orders::{Answer, Book, Change, EndParked};
use testkit::Postgres;

use crate::changing::KIM;
use crate::desk::{Desk, Store, meddle};

const DENIED: &str = "42501";
const TABLES: [&str; 8] =
    ["event", "seat", "application", "audit", "outbox", "placed_order", "line_status", "_sqlx_migrations"];

/// What each role may do to each table: S, I, U, D.
const MATRIX: [(&str, [&str; 8]); 4] = [
    ("a_worker", ["SIU", "SIU", "SIU", "SI", "SIU", "SIU", "SIU", "S"]),
    ("an_operator", ["SIU", "SIUD", "SU", "SI", "SI", "S", "S", "S"]),
    ("a_verifier", ["S", "S", "S", "S", "S", "S", "S", "S"]),
    ("a_stranger", ["", "", "", "", "", "", "", ""]),
];

async fn granted() -> Desk {
    let desk = Desk::open(Store::Postgres, 2).await;
    let url = server(&desk).url();
    for _ in 0..2 {
        Book::grant_roles(&url).await.unwrap();
    }
    let logins = "CREATE ROLE a_worker LOGIN IN ROLE firstcome_worker; CREATE ROLE an_operator LOGIN IN ROLE firstcome_operator;
        CREATE ROLE a_verifier LOGIN IN ROLE firstcome_verify; CREATE ROLE a_stranger LOGIN";
    meddle(&url, logins).await.unwrap();
    // The hand-set clock of these tests reads a file.
    meddle(
        &url,
        "GRANT pg_read_server_files TO a_worker, an_operator; GRANT EXECUTE ON FUNCTION pg_read_file(TEXT) TO a_worker, an_operator",
    )
    .await
    .unwrap();
    desk
}

fn server(desk: &Desk) -> &Postgres {
    desk.postgres.as_ref().unwrap()
}

/// Whether the statement is allowed; that it changes nothing is the caller's business.
async fn may(url: &str, sql: &str) -> bool {
    match meddle(url, sql).await {
        Ok(()) => true,
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(DENIED) => false,
        Err(error) => panic!("{sql}: {error}"),
    }
}

#[tokio::test]
async fn each_role_may_do_just_what_the_matrix_says() {
    let desk = granted().await;
    for (role, rights) in MATRIX {
        let url = server(&desk).url_as(role);
        for (table, rights) in TABLES.iter().zip(rights) {
            let column = if *table == "_sqlx_migrations" {
                "version"
            } else if *table == "event" {
                "id"
            } else {
                "event"
            };
            for (right, sql) in [
                ('S', format!("SELECT 1 FROM book.{table}")),
                ('I', format!("INSERT INTO book.{table} SELECT * FROM book.{table} WHERE false")),
                ('U', format!("UPDATE book.{table} SET {column} = {column} WHERE false")),
                ('D', format!("DELETE FROM book.{table} WHERE false")),
            ] {
                // INSERT .. SELECT and UPDATE read too: who may not read may do neither.
                assert_eq!(may(&url, &sql).await, rights.contains(right), "{role}: {sql}");
            }
            assert!(!may(&url, &format!("TRUNCATE book.{table}")).await, "{role} may empty {table}");
        }
        for change in [
            "CREATE TABLE book.mine (a INT)",
            "CREATE FUNCTION book.now_ms(x INT) RETURNS BIGINT LANGUAGE sql AS 'SELECT 0'",
            "DROP SCHEMA book CASCADE",
            "ALTER TABLE book.seat DROP COLUMN state",
        ] {
            let denied = meddle(&url, change).await.unwrap_err();
            let code = denied.as_database_error().and_then(|error| error.code().map(Into::into));
            assert_eq!(code, Some(DENIED.to_owned()), "{role}: {change}: {denied}");
        }
    }
}

#[tokio::test]
async fn a_worker_does_all_its_work_with_its_own_rights() {
    let desk = granted().await;
    desk.book.step_down(&desk.event, desk.fence).await.unwrap();
    let book = Book::open_postgres(&server(&desk).url_as("a_worker"), 4).await.unwrap();
    let fence = book.lead(&desk.event).await.unwrap().unwrap().fence;
    book.start_era(&desk.event, fence).await.unwrap();
    book.raise_limit(&desk.event, fence, 10).await.unwrap();
    book.write_line_status(&desk.event, fence, &crate::glance::status()).await.unwrap();
    let times = (crate::desk::NOON, crate::desk::NOON + 1);
    book.keep_times(&desk.event, fence, 1, times).await.unwrap();
    book.take(&desk.event, fence, &crate::desk::newcomers([1])).await.unwrap();
    desk.clock.advance(2000);
    let call = book.lease(&desk.event, 1).await.unwrap().calls.remove(0);
    let made = book.put_order(&desk.event, call.app_key, call.number).await.unwrap();
    assert!(matches!(made, Answer::Made(_)));
    book.record(&call, &made).await.unwrap();
    let shown = book.to_show(&desk.event, domain::Epoch(1), 9).await.unwrap();
    book.mark_shown(&desk.event, domain::Epoch(1), &shown).await.unwrap();
    book.mark_sent(&book.unsent(&desk.event, 9).await.unwrap()).await.unwrap();
    assert!(book.unsent(&desk.event, 9).await.unwrap().is_empty());
    assert_eq!(desk.seats().await, (1, 0, 1));
}

#[tokio::test]
async fn an_operator_does_all_its_work_with_its_own_rights() {
    let desk = granted().await;
    desk.take([1]).await;
    desk.park(&[1]).await;
    let book = Book::open_postgres(&server(&desk).url_as("an_operator"), 4).await.unwrap();
    for capacity in [5, 3] {
        book.change(&desk.event, None, &Change::Capacity(capacity), KIM).await.unwrap();
    }
    for change in [Change::Pause, Change::Close] {
        book.change(&desk.event, None, &change, KIM).await.unwrap();
    }
    book.change(&desk.event, None, &Change::Settle, KIM).await.unwrap();
    let (later, key) = (crate::desk::NOON + 9_000_000, crate::desk::key(1));
    book.clone_event(&desk.event, "summer".parse().unwrap(), later, later + 1, KIM).await.unwrap();
    assert_eq!(book.parked(&desk.event, 9).await.unwrap().len(), 1);
    book.end_parked(&desk.event, key, EndParked::Reject, KIM).await.unwrap().unwrap();
    assert_eq!(book.line_status(&desk.event).await.unwrap(), None);
    assert_eq!(book.audit(None, None, 9).await.unwrap().len(), 8);
    assert_eq!(desk.seats().await, (2, 1, 0));
}

#[tokio::test]
async fn a_verifier_reads_the_whole_book() {
    let desk = granted().await;
    desk.take([1]).await;
    let book = Book::open_postgres(&server(&desk).url_as("a_verifier"), 2).await.unwrap();
    assert_eq!(book.rows(&desk.event, 0, 9).await.unwrap().len(), 1);
    assert_eq!(book.seat_rows(&desk.event).await.unwrap().len(), 2);
    assert!(book.outbox_rows(&desk.event).await.unwrap().is_empty());
    assert!(book.order_rows(&desk.event).await.unwrap().is_empty());
}

#[tokio::test]
async fn roles_may_be_granted_from_two_processes_at_once() {
    let desk = Desk::open(Store::Postgres, 1).await;
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let url = server(&desk).url();
        all.spawn(async move { Book::grant_roles(&url).await });
    }
    for done in all.join_all().await {
        done.unwrap();
    }
}
