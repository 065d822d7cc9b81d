//! How far a target is with the domain events of an event.

use ledger::TargetStatus;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::timestamp;

/// How far a target is with the domain events of one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TargetResponse {
    /// The target.
    pub target: String,
    /// The event.
    pub event: String,
    /// The number of the last domain event that the target acknowledged.
    pub seq: i64,
    /// The number of the last domain event.
    pub last_seq: i64,
    /// How long ago the first domain event was decided that the target has not acknowledged, in milliseconds. 0 if it has all.
    pub lag_ms: i64,
    /// Since when each attempt has failed.
    #[schema(format = DateTime)]
    pub failing_since: Option<String>,
    /// Attempts that failed since then.
    pub failures: u32,
    /// The last error.
    pub last_error: Option<String>,
    /// Domain events that the target can never accept.
    pub dead: u32,
}

impl TargetResponse {
    /// The status at the ledger's time `now`.
    pub(crate) fn new(status: TargetStatus, now: i64) -> Self {
        Self {
            target: status.target,
            event: status.event.to_string(),
            seq: status.seq,
            last_seq: status.last_seq,
            lag_ms: status.oldest_at.map_or(0, |at| (now - at).max(0)),
            failing_since: status.failing_since.map(timestamp::format),
            failures: status.failures,
            last_error: status.last_error,
            dead: status.dead,
        }
    }
}

/// The targets, by name and event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TargetList {
    /// The targets.
    pub items: Vec<TargetResponse>,
}
