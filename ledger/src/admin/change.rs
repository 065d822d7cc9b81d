//! The changes that an operator can request.

use domain::event::Text;
use domain::{AutoPace, LookPatch, Millis, Pace};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::admin::audit::AuditAction;

/// A change of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", content = "to", rename_all = "snake_case")]
pub enum Change {
    /// Changes settings other than release, limits and announcement; see [`EventPatch`].
    Update(EventPatch),
    /// Opens the event now. Refused once it is open.
    Open,
    /// Closes the event now, for good. Refused unless it is open.
    Close,
    /// Starts settling. Refused before the event is closed, while it is frozen and while the queue recovers.
    Settle,
    /// Starts no more order calls.
    Pause,
    /// Continues admission and order calls, without a burst.
    Resume,
    /// Admits no more applications. The orders of admitted applications are still created.
    Drain,
    /// Sets the order calls started per second, and ends the automatic pace: the operator's figure stays.
    Pace(Pace),
    /// Sets the rules of the automatic pace; `None` ends it, and the pace stays as it is.
    AutoPace(Option<AutoPace>),
    /// Sets the limit of order calls without a response.
    InFlightMax(u32),
    /// Sets the number of seats. Raising it adds seats; lowering it deletes free seats only.
    Capacity(u32),
    /// Sets the announcement on the applicants' page.
    Announcement(Text),
    /// Continues without waiting for the applications that the queue lost.
    AcceptRecovery,
    /// Continues a frozen event, after the operator has examined the reason.
    Unfreeze,
    /// Sets these fields of the settings back to values that they had before, as the audit shows them.
    Undo(Map<String, Value>),
}

impl Change {
    /// The action in the audit.
    pub fn action(&self) -> AuditAction {
        match self {
            Self::Update(_) => AuditAction::Update,
            Self::Open => AuditAction::Open,
            Self::Close => AuditAction::Close,
            Self::Settle => AuditAction::Settle,
            Self::Pause => AuditAction::Pause,
            Self::Resume => AuditAction::Resume,
            Self::Drain => AuditAction::Drain,
            Self::Pace(_) => AuditAction::Pace,
            Self::AutoPace(_) => AuditAction::AutoPace,
            Self::InFlightMax(_) => AuditAction::InFlightMax,
            Self::Capacity(_) => AuditAction::Capacity,
            Self::Announcement(_) => AuditAction::Announcement,
            Self::AcceptRecovery => AuditAction::AcceptRecovery,
            Self::Unfreeze => AuditAction::Unfreeze,
            Self::Undo(_) => AuditAction::Undo,
        }
    }
}

/// Settings to change; absent ones stay. The times can be moved until two seconds before they are reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventPatch {
    /// The title on the page.
    pub title: Option<Text>,
    /// The look of the pages.
    pub look: Box<LookPatch>,
    /// The time from which people may apply.
    pub opens_at: Option<Millis>,
    /// The time at which applying ends for good.
    pub closes_at: Option<Millis>,
    /// The most numbers that the queue may give.
    pub applications_max: Option<u32>,
    /// Whether the event settles without an operator.
    pub settle_after_close: Option<bool>,
    /// Paths of the shop that are diverted to the event's page.
    pub diverts: Option<Vec<String>>,
    /// Whether people may apply.
    pub intake: Option<bool>,
    /// How long applicants have who are called from now on.
    pub called_for_ms: Option<Millis>,
    /// By how much they may extend that time.
    pub extension_ms: Option<Millis>,
    /// The page of the shop where applicants with a pass order.
    pub pass_target: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_has_the_same_form_read_and_written() {
        let patch = EventPatch { intake: Some(false), ..EventPatch::default() };
        for (change, written) in [
            (Change::Pause, json!({ "action": "pause" })),
            (Change::Capacity(5), json!({ "action": "capacity", "to": 5 })),
            (Change::InFlightMax(5), json!({ "action": "in_flight_max", "to": 5 })),
        ] {
            assert_eq!(serde_json::to_value(&change).unwrap(), written);
            assert_eq!(change.action().as_str(), written["action"]);
        }
        let update = json!({ "action": "update", "to": { "intake": false } });
        assert_eq!(serde_json::from_value::<Change>(update).unwrap(), Change::Update(patch));
    }

    #[test]
    fn a_patch_with_an_unknown_or_fixed_field_is_refused() {
        for field in ["capacity", "pepper", "id", "kind", "release", "intakes"] {
            assert!(serde_json::from_value::<EventPatch>(json!({ field: null })).is_err(), "{field}");
        }
    }
}
