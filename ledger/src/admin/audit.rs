//! The audit: every change with its actor, time and reason. Rows are written in the transaction of the change and never rewritten.

use std::str::FromStr;

use domain::{EventId, Millis};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use sqlx::any::AnyRow;

use crate::admin::audit_chain::{self, StoredColumns};
use crate::store::column::{int, parsed, text};
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::store::transaction::Tx;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the change of the same name")]
pub enum AuditAction {
    Create,
    Clone,
    Update,
    Open,
    Close,
    Settle,
    Pause,
    Resume,
    Drain,
    Pace,
    AutoPace,
    AdjustPace,
    InFlightMax,
    Capacity,
    Announcement,
    AcceptRecovery,
    Unfreeze,
    KeepTimes,
    AdoptSettings,
    Retry,
    Reject,
    Undo,
    Replay,
    CreateWebhook,
    UpdateWebhook,
    PauseWebhook,
    ResumeWebhook,
    RotateWebhook,
    DeleteWebhook,
    DisableWebhook,
    ReplayWebhook,
}

impl AuditAction {
    /// All of them.
    pub const ALL: [Self; 31] = [
        Self::Create,
        Self::Clone,
        Self::Update,
        Self::Open,
        Self::Close,
        Self::Settle,
        Self::Pause,
        Self::Resume,
        Self::Drain,
        Self::Pace,
        Self::AutoPace,
        Self::AdjustPace,
        Self::InFlightMax,
        Self::Capacity,
        Self::Announcement,
        Self::AcceptRecovery,
        Self::Unfreeze,
        Self::KeepTimes,
        Self::AdoptSettings,
        Self::Retry,
        Self::Reject,
        Self::Undo,
        Self::Replay,
        Self::CreateWebhook,
        Self::UpdateWebhook,
        Self::PauseWebhook,
        Self::ResumeWebhook,
        Self::RotateWebhook,
        Self::DeleteWebhook,
        Self::DisableWebhook,
        Self::ReplayWebhook,
    ];

    /// The name that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Clone => "clone",
            Self::Update => "update",
            Self::Open => "open",
            Self::Close => "close",
            Self::Settle => "settle",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Drain => "drain",
            Self::Pace => "pace",
            Self::AutoPace => "auto_pace",
            Self::AdjustPace => "adjust_pace",
            Self::InFlightMax => "in_flight_max",
            Self::Capacity => "capacity",
            Self::Announcement => "announcement",
            Self::AcceptRecovery => "accept_recovery",
            Self::Unfreeze => "unfreeze",
            Self::KeepTimes => "keep_times",
            Self::AdoptSettings => "adopt_settings",
            Self::Retry => "retry",
            Self::Reject => "reject",
            Self::Undo => "undo",
            Self::Replay => "replay",
            Self::CreateWebhook => "create_webhook",
            Self::UpdateWebhook => "update_webhook",
            Self::PauseWebhook => "pause_webhook",
            Self::ResumeWebhook => "resume_webhook",
            Self::RotateWebhook => "rotate_webhook",
            Self::DeleteWebhook => "delete_webhook",
            Self::DisableWebhook => "disable_webhook",
            Self::ReplayWebhook => "replay_webhook",
        }
    }
}

impl FromStr for AuditAction {
    type Err = ();
    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|action| action.as_str() == name).ok_or(())
    }
}

impl Serialize for AuditAction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The actor and the reason of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangedBy<'a> {
    /// The name of the operator or the process.
    pub actor: &'a str,
    /// The reason in the actor's words.
    pub reason: &'a str,
}

/// A change in the audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditRow {
    /// The event; none if the change is about no single event.
    pub event: Option<EventId>,
    /// The event's rev after the change.
    pub rev: i64,
    /// The ledger's time of the change. It rises with every row, so it is unique.
    pub at: Millis,
    /// The name of the operator or the process.
    pub actor: String,
    /// What was done.
    pub action: AuditAction,
    /// The reason in the actor's words.
    pub reason: String,
    /// The changed fields before the change; null for a new event.
    pub before: Value,
    /// The same fields after the change; all fields of a new event.
    pub after: Value,
}

impl AuditRow {
    pub(crate) fn from_row(row: &AnyRow) -> Result<Self, Error> {
        Ok(Self {
            event: text(row, "event")?.parse().ok(),
            rev: int(row, "rev")?,
            at: int(row, "at")?,
            actor: text(row, "actor")?,
            action: parsed(row, "action")?,
            reason: text(row, "reason")?,
            before: json(row, "before")?,
            after: json(row, "after")?,
        })
    }
}

/// Reads a column of JSON; an empty text stands for null.
fn json(row: &AnyRow, column: &str) -> Result<Value, Error> {
    let json = text(row, column)?;
    if json.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(&json)
        .map_err(|error| Error::Inconsistent(format!("the audit's column {column}: {error}")))
}

/// The fields in which two objects differ.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) before: Value,
    pub(crate) after: Value,
}

/// Compares two objects by the fields of `after`.
pub(crate) fn difference(before: &Value, after: &Value) -> Difference {
    let mut old = Map::new();
    let mut new = Map::new();
    for (name, now) in after.as_object().into_iter().flatten() {
        let was = before.get(name).unwrap_or(&Value::Null);
        if was != now {
            old.insert(name.clone(), was.clone());
            new.insert(name.clone(), now.clone());
        }
    }
    Difference { before: Value::Object(old), after: Value::Object(new) }
}

/// Writes a row, the last step before the commit. Its time is made later than that of every other row of all events, so that a list
/// can continue from any row, and its hash continues the chain. Returns the row as written.
pub(crate) async fn write(tx: &mut Tx, mut row: AuditRow) -> Result<AuditRow, Error> {
    let dialect = tx.dialect.clone();
    dialect.lock_audit(tx).await?;
    let last =
        sqlx::query("SELECT at, hash FROM audit ORDER BY at DESC LIMIT 1").fetch_optional(&mut **tx).await?;
    if let Some(last) = &last {
        row.at = row.at.max(int(last, "at")? + 1);
    }
    let (before, after) = (row.before.to_string(), row.after.to_string());
    let columns = StoredColumns {
        event: row.event.as_ref().map_or("", EventId::as_str),
        rev: row.rev,
        at: row.at,
        actor: &row.actor,
        action: row.action.as_str(),
        reason: &row.reason,
        before: &before,
        after: &after,
    };
    let hash = columns.hash(&audit_chain::previous(last.as_ref())?);
    sqlx::query(
        "INSERT INTO audit (event, rev, at, actor, action, reason, before, after, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(columns.event).bind(columns.rev).bind(columns.at).bind(columns.actor).bind(columns.action).bind(columns.reason)
    .bind(columns.before).bind(columns.after).bind(&hash)
    .execute(&mut **tx).await?;
    Ok(row)
}

/// A position in the audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditCursor {
    /// The time of a row.
    pub at: Millis,
    /// The rev of that row.
    pub rev: i64,
}

impl Ledger {
    /// Returns changes, newest first: of one event or of all, older than the row at `before`, at most `max`.
    pub async fn audit(
        &self,
        event: Option<&EventId>,
        before: Option<AuditCursor>,
        max: u32,
    ) -> Result<Vec<AuditRow>, Error> {
        let before = before.unwrap_or(AuditCursor { at: i64::MAX, rev: i64::MAX });
        let rows = sqlx::query(
            "SELECT * FROM audit WHERE (at, rev) < ($2, $3) AND ($1 = '' OR event = $1) ORDER BY at DESC, rev DESC LIMIT $4",
        )
        .bind(event.map_or("", EventId::as_str)).bind(before.at).bind(before.rev).bind(i64::from(max))
        .fetch_all(self.reader()).await?;
        rows.iter().map(AuditRow::from_row).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_difference_holds_the_changed_fields_only() {
        let before = json!({ "a": 1, "b": { "ko": "x" }, "c": null });
        let after = json!({ "a": 1, "b": { "ko": "y" }, "c": 3 });
        let expected = Difference {
            before: json!({ "b": { "ko": "x" }, "c": null }),
            after: json!({ "b": { "ko": "y" }, "c": 3 }),
        };
        assert_eq!(difference(&before, &after), expected);
    }

    #[test]
    fn every_action_is_parsed_from_its_name() {
        for action in AuditAction::ALL {
            assert_eq!(action.as_str().parse(), Ok(action));
        }
    }
}
