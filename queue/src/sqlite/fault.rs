//! What the store's failures mean, in words that say what to do, and whether anything was written.

use crate::contract::{LeadError, Refused};

/// Why a write was not acknowledged. Every one may be tried again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unwritten {
    /// Nothing of it stays.
    #[error("{0}")]
    Nothing(String),
    /// It may be in the file.
    #[error("what was asked may be done: {0}")]
    Unknown(String),
}

impl Unwritten {
    /// By the failure of `COMMIT`. If the disk fails to sync, the file may hold the whole transaction all the same.
    pub(super) fn at_commit(error: &sqlx::Error) -> Self {
        let told = in_words(error);
        match code(error) {
            Some(SQLITE_FULL | SQLITE_BUSY | SQLITE_LOCKED | SQLITE_READONLY | SQLITE_CONSTRAINT) => {
                Self::Nothing(told)
            }
            _ => Self::Unknown(told),
        }
    }
}

/// A failure before `COMMIT`.
impl From<sqlx::Error> for Unwritten {
    fn from(error: sqlx::Error) -> Self {
        Self::Nothing(in_words(&error))
    }
}

impl From<Unwritten> for Refused {
    fn from(why: Unwritten) -> Self {
        match why {
            Unwritten::Nothing(why) => Self::Unavailable(why),
            Unwritten::Unknown(why) => Self::Unknown(why),
        }
    }
}

impl From<Unwritten> for LeadError {
    fn from(why: Unwritten) -> Self {
        Self::Unavailable(why.to_string())
    }
}

/// `SQLite`'s primary result code.
fn code(error: &sqlx::Error) -> Option<u32> {
    let code = error.as_database_error()?.code()?.parse::<u32>().ok()?;
    Some(code & 0xff)
}

/// The failure as told to callers.
pub(super) fn in_words(error: &sqlx::Error) -> String {
    match code(error) {
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
const SQLITE_CONSTRAINT: u32 = 19;
const SQLITE_NOTADB: u32 = 26;

#[cfg(test)]
mod tests {
    use sqlx::Connection;
    use sqlx::sqlite::SqliteConnection;

    use super::*;

    #[test]
    fn a_commit_that_broke_off_leaves_it_open_and_anything_before_it_does_not() {
        let broke = || sqlx::Error::Io(std::io::ErrorKind::UnexpectedEof.into());
        for error in [broke(), sqlx::Error::WorkerCrashed] {
            let why = Unwritten::at_commit(&error);
            assert!(matches!(Refused::from(why), Refused::Unknown(_)), "{error}");
        }
        assert!(matches!(Refused::from(Unwritten::from(broke())), Refused::Unavailable(_)));
    }

    #[tokio::test]
    async fn a_full_disk_is_told_as_such() {
        let mut conn = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        sqlx::raw_sql("PRAGMA max_page_count = 3; CREATE TABLE t (b BLOB)").execute(&mut conn).await.unwrap();
        let full =
            sqlx::query("INSERT INTO t VALUES (zeroblob(100000))").execute(&mut conn).await.unwrap_err();
        assert_eq!(in_words(&full), "the disk of the queue's file is full: free some space");
        assert!(matches!(Unwritten::at_commit(&full), Unwritten::Nothing(_)));
    }
}
