//! A writing transaction.

use std::ops::{Deref, DerefMut};

use domain::DomainEventKinds;
use sqlx::{Any, AnyConnection, Transaction};

use crate::store::dialect::Dialect;
use crate::store::error::Error;
use crate::tables::seat_changes::SeatChanges;

/// A writing transaction. It rolls back when it is dropped without a commit.
pub(crate) struct Tx {
    pub(crate) inner: Transaction<'static, Any>,
    pub(crate) dialect: Dialect,
    /// The domain events that are written.
    pub(crate) kinds: DomainEventKinds,
    /// The seats that the transaction changes; the commit counts them.
    pub(crate) seats: SeatChanges,
}

impl Tx {
    /// Commits. If the connection breaks here, the caller cannot know whether the commit was done: `Unavailable` may stand for a
    /// commit. Every transaction of the ledger can therefore be repeated: it locks, reads again and finds what is already done.
    /// `admit` reports the applications that the ledger knows already; `record_response` finds its fence outdated and returns
    /// `Stale`; `handle_inbox` starts after `inbox_through`; limits and states only rise. A call lease, an epoch or a leadership
    /// whose reply was lost is used by no process: it expires, or the next one replaces it.
    pub(crate) async fn commit(mut self) -> Result<(), Error> {
        self.seats.write(&mut self.inner).await?;
        Ok(self.inner.commit().await?)
    }

    pub(crate) async fn rollback(self) -> Result<(), Error> {
        Ok(self.inner.rollback().await?)
    }
}

impl Deref for Tx {
    type Target = AnyConnection;
    fn deref(&self) -> &AnyConnection {
        &self.inner
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }
}
