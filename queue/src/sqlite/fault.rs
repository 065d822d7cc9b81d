//! What the store's failures mean, in words that say what to do. It decides nothing.

/// The failure as told to callers. Nothing of the write stays, so every one of these may be tried again.
pub(super) fn in_words(error: &sqlx::Error) -> String {
    // The low byte is SQLite's primary result code.
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    match code.and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff) {
        Some(SQLITE_FULL) => "the disk of the queue's file is full: free some space".to_owned(),
        Some(SQLITE_BUSY | SQLITE_LOCKED) => {
            format!("another program holds the queue's file: end it ({error})")
        }
        Some(SQLITE_READONLY | SQLITE_CANTOPEN | SQLITE_PERM) => {
            format!("the queue's file or its folder cannot be written: check their rights ({error})")
        }
        Some(SQLITE_IOERR) => format!("the disk of the queue's file fails: check it ({error})"),
        Some(SQLITE_CORRUPT | SQLITE_NOTADB) => {
            format!("the queue's file is damaged: put a copy in its place, then restore ({error})")
        }
        _ => error.to_string(),
    }
}

const SQLITE_PERM: u32 = 3;
const SQLITE_BUSY: u32 = 5;
const SQLITE_LOCKED: u32 = 6;
const SQLITE_READONLY: u32 = 8;
const SQLITE_IOERR: u32 = 10;
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_FULL: u32 = 13;
const SQLITE_CANTOPEN: u32 = 14;
const SQLITE_NOTADB: u32 = 26;

#[cfg(test)]
mod tests {
    use sqlx::Connection;
    use sqlx::sqlite::SqliteConnection;

    #[tokio::test]
    async fn a_full_disk_is_told_as_such() {
        let mut conn = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        sqlx::raw_sql("PRAGMA max_page_count = 3; CREATE TABLE t (b BLOB)").execute(&mut conn).await.unwrap();
        let full =
            sqlx::query("INSERT INTO t VALUES (zeroblob(100000))").execute(&mut conn).await.unwrap_err();
        assert_eq!(super::in_words(&full), "the disk of the queue's file is full: free some space");
    }
}
