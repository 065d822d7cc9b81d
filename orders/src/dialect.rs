//! What differs between the databases, all of it. Everything else is one SQL text.

use domain::{Millis, Now};

use crate::book::{BookError, Tx};

/// The database behind the book.
#[derive(Clone)]
pub(crate) enum Dialect {
    /// One file. The clock is handed in, since the book and the process are one.
    Sqlite(Now),
}

impl Dialect {
    /// The statement that begins a writing transaction. A deferred one would fail on its first write if another had written
    /// since, and no busy timeout helps there (SQLite manual, `SQLITE_BUSY_SNAPSHOT`).
    pub(crate) fn begin(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "BEGIN IMMEDIATE",
        }
    }

    /// The book's time: one clock for all workers. Ask after the row lock is held, so that it never runs behind another's.
    #[expect(clippy::unused_async, reason = "a database server is asked for its own time")]
    pub(crate) async fn now(&self, _tx: &mut Tx) -> Result<Millis, BookError> {
        match self {
            Self::Sqlite(now) => Ok(now()),
        }
    }
}
