//! A change of an event as the audit records it. Timestamps inside the changed fields are written as RFC 3339.

use axum::Json;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use domain::Millis;
use ledger::{AuditRow, EventRow};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::etag::etag;
use crate::timestamp;

/// The changed fields that are timestamps.
const TIMESTAMPS: [&str; 3] = ["opens_at", "closes_at", "recover_until"];

/// A change, as recorded in the audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChangeResponse {
    /// The event; empty if the change is about no single event.
    pub event: String,
    /// The event's rev after the change.
    pub rev: i64,
    /// When; it rises with every change of an event, so it identifies the change.
    #[schema(format = DateTime)]
    pub at: String,
    /// The operator's name.
    pub actor: String,
    /// The kind of change.
    pub action: String,
    /// The operator's reason; may be empty.
    pub reason: String,
    /// The changed fields before the change.
    #[schema(value_type = Object)]
    pub before: Value,
    /// The same fields after the change.
    #[schema(value_type = Object)]
    pub after: Value,
    /// False if the event was already so: then nothing was changed, and the audit has no row.
    pub changed: bool,
}

impl ChangeResponse {
    /// A row of the audit.
    pub(crate) fn from_audit(row: AuditRow) -> Self {
        Self {
            event: row.event.map(String::from).unwrap_or_default(),
            rev: row.rev,
            at: timestamp::format(row.at),
            actor: row.actor,
            action: row.action.as_str().to_owned(),
            reason: row.reason,
            before: with_timestamps(row.before),
            after: with_timestamps(row.after),
            changed: true,
        }
    }

    /// A request that had nothing to change.
    pub(crate) fn unchanged(event: &EventRow, action: &str, actor: &str, now: Millis) -> Self {
        Self {
            event: event.settings.id.to_string(),
            rev: event.rev,
            at: timestamp::format(now),
            actor: actor.to_owned(),
            action: action.to_owned(),
            reason: String::new(),
            before: Value::Object(Map::new()),
            after: Value::Object(Map::new()),
            changed: false,
        }
    }

    /// The tag of the event after the change.
    fn etag(&self) -> (HeaderName, HeaderValue) {
        etag(&self.rev.to_string())
    }
}

impl IntoResponse for ChangeResponse {
    fn into_response(self) -> Response {
        ([self.etag()], Json(self)).into_response()
    }
}

/// Changes, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChangeList {
    /// The changes.
    pub items: Vec<ChangeResponse>,
    /// The cursor of the next page; null on the last.
    pub next_cursor: Option<String>,
}

/// The fields as an object with its timestamps formatted; a new event has no fields before.
pub(crate) fn with_timestamps(value: Value) -> Value {
    let Value::Object(mut fields) = value else { return Value::Object(Map::new()) };
    for name in TIMESTAMPS {
        if let Some(at) = fields.get(name).and_then(Value::as_i64) {
            // Zero means that no recovery is under way.
            let ended = name == "recover_until" && at == 0;
            let value = if ended { Value::Null } else { timestamp::format(at).into() };
            fields.insert(name.to_owned(), value);
        }
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_times_of_a_change_are_written_as_timestamps() {
        let fields = json!({"opens_at": 1_795_950_000_000_i64, "recover_until": 0, "capacity": 7});
        let expected = json!({"opens_at": "2026-11-29T11:00:00.000Z", "recover_until": null, "capacity": 7});
        assert_eq!(with_timestamps(fields), expected);
        assert_eq!(with_timestamps(Value::Null), json!({}));
    }
}
