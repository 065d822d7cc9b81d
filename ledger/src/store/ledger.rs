//! The handle on the ledger. The other files add its operations, one job each.

use domain::{DomainEventKinds, Millis};
use sqlx::AnyPool;

use crate::store::dialect::Dialect;
use crate::store::error::Error;
use crate::store::transaction::Tx;
use crate::tables::seat_changes::SeatChanges;

/// A handle on the ledger. Cloning it is cheap.
#[derive(Clone)]
pub struct Ledger {
    pub(crate) write: AnyPool,
    pub(crate) read: AnyPool,
    pub(crate) dialect: Dialect,
    pub(crate) kinds: DomainEventKinds,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ledger")
    }
}

impl Ledger {
    /// Writes domain events of these kinds only. By default all but `application.admitted`.
    pub fn with_domain_events(self, kinds: DomainEventKinds) -> Self {
        Self { kinds, ..self }
    }

    /// Begins a writing transaction.
    pub(crate) async fn begin(&self) -> Result<Tx, Error> {
        let inner = self.write.begin_with(self.dialect.begin()).await?;
        Ok(Tx { inner, dialect: self.dialect.clone(), kinds: self.kinds, seats: SeatChanges::default() })
    }

    /// Returns the ledger's time within a transaction.
    pub(crate) async fn now(&self, tx: &mut Tx) -> Result<Millis, Error> {
        self.dialect.now(tx).await
    }

    /// The connections for reading outside a transaction.
    pub(crate) fn reader(&self) -> &AnyPool {
        &self.read
    }

    /// Returns the ledger's time, in milliseconds since 1970 UTC.
    pub async fn time(&self) -> Result<Millis, Error> {
        let mut connection = self.reader().acquire().await?;
        self.dialect.now(&mut connection).await
    }

    /// Closes the connections. The last connection of the embedded ledger writes the WAL back into the file.
    pub async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}
