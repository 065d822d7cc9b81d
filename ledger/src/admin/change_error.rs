//! The error of a change.

use domain::EventState;

use crate::store::error::Error;

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The ledger failed: the event does not exist, the settings are invalid, or the database is unavailable.
    #[error(transparent)]
    Ledger(#[from] Error),
    /// The event was changed since the caller read it.
    #[error("the event was changed meanwhile and is at rev {rev}")]
    Stale {
        /// The event's current rev.
        rev: i64,
    },
    /// The change is not possible in this state.
    #[error("the event is {}: {why}", .state.as_str())]
    NotNow {
        /// The state of the event by its times.
        state: EventState,
        /// Why not, and what to do instead.
        why: &'static str,
    },
    /// More seats than the new capacity are sold or held.
    #[error("{least} seats are sold or held, so the capacity cannot be lower")]
    TooSmall {
        /// The least possible capacity.
        least: u32,
    },
}
