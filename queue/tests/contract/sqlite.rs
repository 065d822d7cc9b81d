//! The tests of what only the embedded store has: its file, its lock, and failures of the disk.

use std::sync::Arc;

use domain::EventState;
use queue::{LeaderError, Queue, QueueError, QueueState};
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use testkit::TempFolder;

use crate::harness::{FENCE, QueueHarness, Store, applicant, arming, event, number, queue_file, restored};

crate::suite::cases!(Store::sqlite());

fn folder(harness: &QueueHarness) -> &TempFolder {
    match &harness.store {
        Store::Sqlite(folder) => folder,
        Store::Redis(_) => panic!("the store has no file"),
    }
}

/// Runs SQL over a second, plain connection to the file, with which tests inject faults.
async fn raw_sql(harness: &QueueHarness, sql: &'static str) {
    let url = format!("sqlite://{}", queue_file(folder(harness)).display());
    let mut conn = SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
}

async fn open_error(folder: &TempFolder) -> String {
    match Queue::open_sqlite(&queue_file(folder), Arc::new(|| 0)).await.unwrap_err() {
        LeaderError::Unavailable(why) => why,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_second_open_is_refused_until_the_first_handle_is_dropped() {
    let mut harness = QueueHarness::new(Store::sqlite()).await;
    let clone = harness.queue().clone();
    let why = open_error(folder(&harness)).await;
    assert!(why.contains("another process has this queue open"), "{why}");
    drop(clone);
    harness.restart().await;
    assert_eq!(harness.snapshot().await.state, EventState::Open);
}

#[tokio::test]
async fn a_file_of_another_version_or_another_program_is_refused() {
    let newer = TempFolder::new("newer");
    let older = TempFolder::new("older");
    let foreign = TempFolder::new("foreign");
    for (folder, sql) in [
        (&newer, "PRAGMA user_version = 99; CREATE TABLE t (a)"),
        (&older, "PRAGMA user_version = 1; CREATE TABLE t (a)"),
        (&foreign, "CREATE TABLE t (a)"),
    ] {
        let url = format!("sqlite://{}?mode=rwc", queue_file(folder).display());
        let mut conn = SqliteConnection::connect(&url).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
    }
    assert!(open_error(&newer).await.contains("newer version"));
    assert!(open_error(&older).await.contains("earlier, unreleased version"));
    assert!(open_error(&foreign).await.contains("something else"));
    std::fs::write(queue_file(&foreign), "no database, but long enough to be read as one by SQLite").unwrap();
    assert!(open_error(&foreign).await.contains("damaged"));
}

#[tokio::test]
async fn a_missing_folder_is_reported() {
    let folder = TempFolder::new("missing");
    std::fs::remove_dir(folder.path()).unwrap();
    assert!(open_error(&folder).await.contains("check the folder"));
}

/// `SQLite` ends the transaction by itself when the disk is full, as `RAISE(ROLLBACK)` does.
#[tokio::test]
async fn a_failed_write_refuses_its_whole_batch() {
    let harness = QueueHarness::new(Store::sqlite()).await;
    harness.fill(1).await;
    raw_sql(
        &harness,
        "CREATE TRIGGER broken BEFORE INSERT ON application WHEN NEW.number = 3
         BEGIN SELECT RAISE(ROLLBACK, 'injected fault'); END",
    )
    .await;
    let mut all = tokio::task::JoinSet::new();
    for person in 2..=5 {
        let queue = harness.queue().clone();
        all.spawn(async move { queue.apply(&event(), applicant(person)).await });
    }
    for refused in all.join_all().await {
        assert!(matches!(&refused, Err(QueueError::Unavailable(why)) if why.contains("injected fault")));
    }
    assert_eq!(harness.snapshot().await.seq, 1);
    assert_eq!(harness.queue().entries(&event(), 0, 9).await.unwrap().len(), 1);
    raw_sql(&harness, "DROP TRIGGER broken").await;
    assert_eq!(harness.apply(5).await.unwrap().number, number(2), "the queue is still armed and continues");
}

#[tokio::test]
async fn a_failed_commit_acknowledges_nothing() {
    let harness = QueueHarness::new(Store::sqlite()).await;
    raw_sql(
        &harness,
        "CREATE TABLE parent (id INTEGER PRIMARY KEY);
         CREATE TABLE owed (id INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED);
         CREATE TRIGGER broken AFTER INSERT ON application BEGIN INSERT INTO owed VALUES (1); END",
    )
    .await;
    assert!(matches!(harness.apply(1).await, Err(QueueError::Unavailable(_))));
    let settled = harness.queue().settle(&event(), FENCE).await;
    assert_eq!(settled.map(|closing| closing.closed_seq), Ok(0));
}

#[tokio::test]
async fn a_queue_with_lost_numbers_disarms_itself() {
    let harness = QueueHarness::new(Store::sqlite()).await;
    harness.fill(3).await;
    raw_sql(&harness, "DELETE FROM application WHERE number = 3; UPDATE queue SET seq = 2").await;
    assert_eq!(harness.apply(1).await.unwrap().number, number(1));
    assert_eq!(harness.apply(4).await, Err(QueueError::Regressed));
    assert_eq!(harness.apply(4).await, Err(QueueError::NotArmed));
    assert!(!harness.snapshot().await.armed);
    harness.queue().arm(&event(), FENCE, arming(2, 1_000)).await.unwrap();
    harness.project(|p| p.number_limit = 2_000).await;
    assert_eq!(harness.apply(4).await.unwrap().number, number(1_001));
}

/// The ledger keeps its position in the inbox, so no later request may have a position at or below it.
#[tokio::test]
async fn inbox_positions_rise_after_an_older_file_is_put_back() {
    let mut harness = QueueHarness::new(Store::sqlite()).await;
    harness.fill(3).await;
    for person in [1, 2] {
        harness.cancel(person).await;
    }
    let position = harness.inbox().await[1].id;
    raw_sql(&harness, "DELETE FROM inbox; UPDATE queue SET inbox_last = 0").await;
    harness.restart().await;
    harness.queue().arm(&event(), FENCE, arming(2, 0)).await.unwrap();
    harness.cancel(3).await;
    assert_eq!(harness.queue().inbox(&event(), position, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_file_put_back_from_another_epoch_is_not_armed() {
    let harness = QueueHarness::new(Store::sqlite()).await;
    raw_sql(&harness, "UPDATE queue SET epoch = 9").await;
    assert_eq!(harness.apply(1).await, Err(QueueError::NotArmed));
}

#[tokio::test]
async fn a_contact_is_deleted_once_it_is_not_needed() {
    let harness = QueueHarness::new(Store::sqlite()).await;
    harness.fill(3).await;
    harness.admitted(1, &[1]).await;
    harness.cancel(2).await;
    let rows = [
        restored(7, 7, QueueState::Admitted),
        restored(8, 8, QueueState::Withdrawn),
        restored(9, 9, QueueState::Waiting),
    ];
    harness.queue().restore(&event(), FENCE, &rows).await.unwrap();
    let url = format!("sqlite://{}", queue_file(folder(&harness)).display());
    let mut conn = SqliteConnection::connect(&url).await.unwrap();
    let kept: Vec<u32> = sqlx::query_scalar("SELECT number FROM application WHERE contact IS NOT NULL")
        .fetch_all(&mut conn)
        .await
        .unwrap();
    assert_eq!(kept, [3, 9]);
}
