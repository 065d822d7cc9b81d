//! What only the embedded store promises: its file, its lock, and what it does when the disk does not.

use std::sync::Arc;

use domain::EventState;
use queue::{LeaderError, Queue, QueueError, QueueState};
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use crate::harness::{FENCE, Folder, QueueHarness, Store, applicant, arming, event, number, restored};

crate::suite::cases!(Store::sqlite());

fn folder(harness: &QueueHarness) -> &Folder {
    match &harness.store {
        Store::Sqlite(folder) => folder,
        Store::Redis(_) => panic!("these tests are about a file"),
    }
}

/// A second, plain connection to the file: the test's way to play faults.
async fn meddle(harness: &QueueHarness, sql: &'static str) {
    let url = format!("sqlite://{}", folder(harness).queue().display());
    let mut conn = SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
}

async fn open_error(folder: &Folder) -> String {
    match Queue::open_sqlite(&folder.queue(), Arc::new(|| 0)).await.unwrap_err() {
        LeaderError::Unavailable(why) => why,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_second_opener_is_refused_until_the_first_is_gone() {
    let mut harness = QueueHarness::new(Store::sqlite()).await;
    let clone = harness.queue().clone();
    let why = open_error(folder(&harness)).await;
    assert!(why.contains("another process has this queue open"), "{why}");
    drop(clone);
    harness.restart().await;
    assert_eq!(harness.snapshot().await.state, EventState::Open);
}

#[tokio::test]
async fn a_file_of_a_newer_version_or_of_something_else_is_refused() {
    let (newer, foreign) = (Folder::new(), Folder::new());
    for (folder, sql) in
        [(&newer, "PRAGMA user_version = 99; CREATE TABLE t (a)"), (&foreign, "CREATE TABLE t (a)")]
    {
        let url = format!("sqlite://{}?mode=rwc", folder.queue().display());
        let mut conn = SqliteConnection::connect(&url).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
    }
    assert!(open_error(&newer).await.contains("newer version"));
    assert!(open_error(&foreign).await.contains("something else"));
    std::fs::write(foreign.queue(), "this is no database, but it is long enough to be read as one").unwrap();
    assert!(open_error(&foreign).await.contains("damaged"));
}

#[tokio::test]
async fn a_folder_that_is_missing_is_told() {
    let folder = Folder::new();
    std::fs::remove_dir(folder.queue().parent().unwrap()).unwrap();
    assert!(open_error(&folder).await.contains("check the folder"));
}

/// `SQLite` ends the transaction by itself when the disk is full, as `RAISE(ROLLBACK)` does.
#[tokio::test]
async fn when_a_write_fails_its_whole_batch_is_refused_and_leaves_nothing() {
    let harness = QueueHarness::new(Store::sqlite()).await;
    harness.fill(1).await;
    meddle(
        &harness,
        "CREATE TRIGGER broken BEFORE INSERT ON application WHEN NEW.number = 3
         BEGIN SELECT RAISE(ROLLBACK, 'played fault'); END",
    )
    .await;
    let mut all = tokio::task::JoinSet::new();
    for who in 2..=5 {
        let queue = harness.queue().clone();
        all.spawn(async move { queue.apply(&event(), applicant(who)).await });
    }
    for refused in all.join_all().await {
        assert!(matches!(&refused, Err(QueueError::Unavailable(why)) if why.contains("played fault")));
    }
    assert_eq!(harness.snapshot().await.seq, 1);
    assert_eq!(harness.queue().entries(&event(), 0, 9).await.unwrap().len(), 1);
    meddle(&harness, "DROP TRIGGER broken").await;
    assert_eq!(harness.apply(5).await.unwrap().number, number(2), "the queue is still armed and goes on");
}

#[tokio::test]
async fn when_the_commit_fails_nothing_was_acknowledged() {
    let harness = QueueHarness::new(Store::sqlite()).await;
    meddle(
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
async fn a_queue_that_went_back_disarms_itself() {
    let harness = QueueHarness::new(Store::sqlite()).await;
    harness.fill(3).await;
    meddle(&harness, "DELETE FROM application WHERE number = 3; UPDATE queue SET seq = 2").await;
    assert_eq!(harness.apply(1).await.unwrap().number, number(1));
    assert_eq!(harness.apply(4).await, Err(QueueError::Regressed));
    assert_eq!(harness.apply(4).await, Err(QueueError::NotArmed));
    assert!(!harness.snapshot().await.armed);
    harness.queue().arm(&event(), FENCE, arming(2, 1_000)).await.unwrap();
    harness.project(|p| p.number_limit = 2_000).await;
    assert_eq!(harness.apply(4).await.unwrap().number, number(1_001));
}

/// The ledger keeps its position in the inbox, so a request must never come at or below it.
#[tokio::test]
async fn after_the_file_went_back_requests_still_come_above_every_earlier_one() {
    let mut harness = QueueHarness::new(Store::sqlite()).await;
    harness.fill(3).await;
    for who in [1, 2] {
        harness.cancel(who).await;
    }
    let position = harness.inbox().await[1].id;
    meddle(&harness, "DELETE FROM inbox; UPDATE queue SET inbox_last = 0").await;
    harness.restart().await;
    harness.queue().arm(&event(), FENCE, arming(2, 0)).await.unwrap();
    harness.cancel(3).await;
    assert_eq!(harness.queue().inbox(&event(), position, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_file_put_back_from_another_epoch_is_not_armed() {
    let harness = QueueHarness::new(Store::sqlite()).await;
    meddle(&harness, "UPDATE queue SET epoch = 9").await;
    assert_eq!(harness.apply(1).await, Err(QueueError::NotArmed));
}

#[tokio::test]
async fn a_contact_is_gone_once_it_is_not_needed() {
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
    let url = format!("sqlite://{}", folder(&harness).queue().display());
    let mut conn = SqliteConnection::connect(&url).await.unwrap();
    let kept: Vec<u32> = sqlx::query_scalar("SELECT number FROM application WHERE contact IS NOT NULL")
        .fetch_all(&mut conn)
        .await
        .unwrap();
    assert_eq!(kept, [3, 9]);
}
