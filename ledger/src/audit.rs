//! The audit: who changed what, when and why. Written in the transaction of the change, never rewritten.

use domain::{EventId, Millis};
use serde::Serialize;
use serde_json::{Map, Value};
use sqlx::any::AnyRow;

use crate::ledger::{Ledger, LedgerError, Tx, int, parsed, text};

/// One change, as it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditRow {
    /// The event.
    pub event: EventId,
    /// The event's rev after it.
    pub rev: i64,
    /// When, in the ledger's time; rises with every row, so no two have the same.
    pub at: Millis,
    /// Who.
    pub actor: String,
    /// What was asked for, `pause`.
    pub action: String,
    /// Why, in the actor's words.
    pub reason: String,
    /// What was there before: only the fields that changed; null for a new event.
    pub before: Value,
    /// What is there now: the same fields; all of them for a new event.
    pub after: Value,
}

impl AuditRow {
    fn from_row(row: &AnyRow) -> Result<Self, LedgerError> {
        Ok(Self {
            event: parsed(row, "event")?,
            rev: int(row, "rev")?,
            at: int(row, "at")?,
            actor: text(row, "actor")?,
            action: text(row, "action")?,
            reason: text(row, "reason")?,
            before: fields(row, "before")?,
            after: fields(row, "after")?,
        })
    }
}

/// Reads what was written as JSON; nothing at all stands for null.
fn fields(row: &AnyRow, column: &str) -> Result<Value, LedgerError> {
    let json = text(row, column)?;
    if json.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(&json)
        .map_err(|error| LedgerError::Inconsistent(format!("an audit's {column}: {error}")))
}

/// The fields in which two objects differ, as each has them.
pub(crate) fn difference(before: &Value, after: &Value) -> (Value, Value) {
    let (mut old, mut new) = (Map::new(), Map::new());
    for (name, now) in after.as_object().into_iter().flatten() {
        let was = before.get(name).unwrap_or(&Value::Null);
        if was != now {
            old.insert(name.clone(), was.clone());
            new.insert(name.clone(), now.clone());
        }
    }
    (Value::Object(old), Value::Object(new))
}

/// Writes a row, the last step before the commit. Its time is put behind the last row's of all events, so that lists can be read
/// on from any row; the row is returned as it was written.
pub(crate) async fn write(tx: &mut Tx, mut row: AuditRow) -> Result<AuditRow, LedgerError> {
    let dialect = tx.dialect.clone();
    dialect.take_turn(tx).await?;
    let last = sqlx::query("SELECT COALESCE(MAX(at), 0) AS last FROM audit").fetch_one(&mut **tx).await?;
    row.at = row.at.max(int(&last, "last")? + 1);
    sqlx::query(
        "INSERT INTO audit (event, rev, at, actor, action, reason, before, after) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(row.event.as_str()).bind(row.rev).bind(row.at).bind(&row.actor).bind(&row.action).bind(&row.reason)
    .bind(row.before.to_string()).bind(row.after.to_string())
    .execute(&mut **tx).await?;
    Ok(row)
}

impl Ledger {
    /// Changes, newest first: of one event or of all, older than the row with this time and rev, at most `max`.
    pub async fn audit(
        &self,
        event: Option<&EventId>,
        before: Option<(Millis, i64)>,
        max: u32,
    ) -> Result<Vec<AuditRow>, LedgerError> {
        let (at, rev) = before.unwrap_or((i64::MAX, i64::MAX));
        let rows = sqlx::query(
            "SELECT * FROM audit WHERE (at, rev) < ($2, $3) AND ($1 = '' OR event = $1) ORDER BY at DESC, rev DESC LIMIT $4",
        )
        .bind(event.map_or("", EventId::as_str)).bind(at).bind(rev).bind(i64::from(max))
        .fetch_all(self.reader()).await?;
        rows.iter().map(AuditRow::from_row).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_changed_is_told() {
        let before = json!({ "a": 1, "b": { "ko": "x" }, "c": null });
        let after = json!({ "a": 1, "b": { "ko": "y" }, "c": 3 });
        let (old, new) = difference(&before, &after);
        assert_eq!(
            (old, new),
            (json!({ "b": { "ko": "x" }, "c": null }), json!({ "b": { "ko": "y" }, "c": 3 }))
        );
    }
}
