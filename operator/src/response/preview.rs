//! What a change would do.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// How much harm a change can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeSeverity {
    /// It can be undone, and turns no applicant away.
    Mild,
    /// It changes how fast or whether applicants are served.
    Moderate,
    /// It cannot be undone, or takes something from applicants.
    Severe,
}

/// One effect of a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Effect {
    /// How long the waiting applications take that still get a seat, before and after; null while none is called.
    Remaining {
        /// Before.
        before_s: Option<u64>,
        /// After.
        after_s: Option<u64>,
    },
    /// Waiting applications keep their place.
    KeepPlace {
        /// How many.
        waiting: u32,
    },
    /// Order calls in flight are finished.
    Finish {
        /// How many.
        in_flight: u32,
    },
    /// Waiting applications for which there is a seat, before and after.
    InRange {
        /// Before.
        before: u32,
        /// After.
        after: u32,
    },
    /// Waiting applications that learn that it is sold out.
    SoldOut {
        /// How many.
        waiting: u32,
    },
    /// New applicants are told to press again, until intake is on again.
    IntakeHeld,
    /// Applicants who were turned away are not told.
    IntakeResumed,
    /// The event closes this much earlier than planned.
    ClosesEarly {
        /// Seconds.
        by_s: i64,
    },
    /// The text is shown to waiting applicants.
    Shown {
        /// How many wait.
        waiting: u32,
    },
    /// The limit of calls in flight allows fewer calls per second than the pace, at the present latency.
    LimitedByInFlight {
        /// Calls per second.
        calls_per_s: u32,
    },
    /// The order service gets more than twice as many calls as now.
    MoreThanDouble,
    /// The automatic pace ends.
    AutoPaceEnds,
    /// From now on the pace follows the order calls: it falls at once, and rises slowly.
    PaceFollows,
    /// The release resumes with the lowest pace of the automatic pace.
    StartsAtMin {
        /// Calls per second.
        pace: String,
    },
    /// Applications that were lost and are not restored yet may be overtaken.
    MayOvertake,
    /// The two stores contradict each other; the reason must be known first.
    ContradictionStays,
    /// It cannot be undone.
    Final,
}

impl Effect {
    /// Whether the operator should think twice.
    pub fn is_warning(&self) -> bool {
        match self {
            Self::InRange { before, after } => after < before,
            Self::SoldOut { waiting } => *waiting > 0,
            Self::LimitedByInFlight { .. }
            | Self::MoreThanDouble
            | Self::MayOvertake
            | Self::ContradictionStays
            | Self::IntakeHeld
            | Self::ClosesEarly { .. }
            | Self::Final => true,
            _ => false,
        }
    }
}

/// What a change would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PreviewResponse {
    /// The event.
    pub event: String,
    /// The rev at which this holds: send it as `If-Match`.
    pub rev: i64,
    /// The kind of change.
    pub action: String,
    /// False if the event already is so.
    pub changed: bool,
    /// How much harm it can do.
    pub severity: ChangeSeverity,
    /// Whether it can be undone for five minutes.
    pub undoable: bool,
    /// The fields that would change, as they are.
    #[schema(value_type = Object)]
    pub before: Value,
    /// The same fields after the change.
    #[schema(value_type = Object)]
    pub after: Value,
    /// What it does.
    pub effects: Vec<Effect>,
}
