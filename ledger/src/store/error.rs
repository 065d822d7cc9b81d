//! The error of the ledger.

use domain::event::BadSettings;

/// Why an operation of the ledger failed. Nothing was written, unless the connection broke during the commit; repeat the operation
/// then, since each one can be repeated.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller no longer leads the event and must stop.
    #[error("lost leadership of this event")]
    Lost,
    /// The ledger was put back to an older state since the caller read it. The caller reads it again.
    #[error("the ledger was put back to an older state")]
    Behind,
    /// The queue contradicts the ledger. No application is admitted until an operator unfreezes the event.
    #[error("the event is frozen: {0}")]
    Frozen(String),
    /// The event does not exist.
    #[error("the ledger has no event '{0}'")]
    UnknownEvent(String),
    /// The settings are invalid.
    #[error("the settings are wrong: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Settings(Vec<BadSettings>),
    /// A row has an impossible value, as after a write by another program.
    #[error("the ledger is inconsistent: {0}")]
    Inconsistent(String),
    /// The database did not respond or could not write: it is down, a lock was held too long, or there was a deadlock. Retrying is
    /// safe.
    #[error("the ledger is unavailable: {0}")]
    Unavailable(#[from] sqlx::Error),
    /// The schema does not fit this program.
    #[error("the ledger's schema does not fit this program: {0}")]
    Schema(String),
    /// The database may lose commits that it has acknowledged.
    #[error(
        "the ledger's database has {0} = off and could lose orders that it has acknowledged; turn it on for this database and user"
    )]
    NotDurable(&'static str),
}
