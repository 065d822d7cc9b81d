//! Failures of SQLite: what they mean, what to do, and whether anything was written.

use crate::contract::{LeaderError, QueueError};

/// Why a transaction is not acknowledged. The caller may try again in each case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum WriteError {
    /// Nothing was written.
    #[error("{0}")]
    NotDone(String),
    /// The file may contain the write.
    #[error("the write may have been committed: {0}")]
    Unknown(String),
}

impl WriteError {
    /// The error for a failed `COMMIT`. If the disk fails to sync, the file may contain the whole transaction all the same.
    pub(super) fn at_commit(error: &sqlx::Error) -> Self {
        let why = describe(error);
        match code(error) {
            Some(SQLITE_FULL | SQLITE_BUSY | SQLITE_LOCKED | SQLITE_READONLY | SQLITE_CONSTRAINT) => {
                Self::NotDone(why)
            }
            _ => Self::Unknown(why),
        }
    }
}

/// The error for a failure before `COMMIT`.
impl From<sqlx::Error> for WriteError {
    fn from(error: sqlx::Error) -> Self {
        Self::NotDone(describe(&error))
    }
}

impl From<WriteError> for QueueError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::NotDone(why) => Self::Unavailable(why),
            WriteError::Unknown(why) => Self::Unknown(why),
        }
    }
}

impl From<WriteError> for LeaderError {
    fn from(error: WriteError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// The error for a failed read.
impl From<sqlx::Error> for QueueError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(describe(&error))
    }
}

/// The error for a failed read.
impl From<sqlx::Error> for LeaderError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(describe(&error))
    }
}

/// `SQLite`'s primary result code.
fn code(error: &sqlx::Error) -> Option<u32> {
    let code = error.as_database_error()?.code()?.parse::<u32>().ok()?;
    Some(code & 0xff)
}

/// The error with what it means and what to do.
pub(super) fn describe(error: &sqlx::Error) -> String {
    match code(error) {
        Some(SQLITE_FULL) => "the disk of the queue's file is full: free some space".to_owned(),
        Some(SQLITE_BUSY) => format!("another program has locked the queue's file: stop it ({error})"),
        Some(SQLITE_READONLY | SQLITE_CANTOPEN | SQLITE_PERM) => {
            format!("the queue's file or its folder cannot be written: check their permissions ({error})")
        }
        Some(SQLITE_IOERR) => format!("the disk of the queue's file fails: check it ({error})"),
        Some(SQLITE_CORRUPT | SQLITE_NOTADB) => {
            format!(
                "the queue's file is damaged: replace it with a backup or remove it, then follow \"Redis comes back empty\" in docs/operations.md ({error})"
            )
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
const SQLITE_CONSTRAINT: u32 = 19;
const SQLITE_NOTADB: u32 = 26;

#[cfg(test)]
mod tests {
    use sqlx::Connection;
    use sqlx::sqlite::SqliteConnection;

    use super::*;

    #[test]
    fn a_failed_commit_is_unknown_unless_sqlite_refused_it() {
        let interrupted = || sqlx::Error::Io(std::io::ErrorKind::UnexpectedEof.into());
        for error in [interrupted(), sqlx::Error::WorkerCrashed] {
            let at_commit = WriteError::at_commit(&error);
            assert!(matches!(QueueError::from(at_commit), QueueError::Unknown(_)), "{error}");
        }
        let before_commit = WriteError::from(interrupted());
        assert!(matches!(QueueError::from(before_commit), QueueError::Unavailable(_)));
    }

    #[tokio::test]
    async fn a_full_disk_is_reported_as_such() {
        let mut conn = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        sqlx::raw_sql("PRAGMA max_page_count = 3; CREATE TABLE t (b BLOB)").execute(&mut conn).await.unwrap();
        let full =
            sqlx::query("INSERT INTO t VALUES (zeroblob(100000))").execute(&mut conn).await.unwrap_err();
        assert_eq!(describe(&full), "the disk of the queue's file is full: free some space");
        assert!(matches!(WriteError::at_commit(&full), WriteError::NotDone(_)));
    }
}
