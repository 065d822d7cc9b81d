//! Access to the database: connections, transactions, the schema, the differences between the databases, and column readers.

pub(crate) mod column;
pub(crate) mod dialect;
pub(crate) mod error;
pub(crate) mod ledger;
pub(crate) mod postgres;
pub(crate) mod schema;
pub(crate) mod sqlite;
pub(crate) mod transaction;
