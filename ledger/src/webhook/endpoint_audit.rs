//! The audit of webhook endpoints. Its rows are about no single event.

use domain::Millis;
use serde_json::{Value, json};

use crate::admin::audit::{self, AuditAction, AuditRow, ChangedBy, Difference, difference};
use crate::store::error::Error;
use crate::store::transaction::Tx;
use crate::webhook::endpoint::{EndpointRow, EndpointSettings};

/// What the audit shows of an endpoint.
pub(crate) fn described(row: &EndpointRow) -> Value {
    let EndpointSettings { url, types, events } = &row.settings;
    json!({
        "endpoint": row.id, "url": url, "types": types, "events": events, "state": row.state.as_str(),
        "former_secret_until": row.secret_before.as_ref().map(|(_, until)| *until),
    })
}

/// The fields that differ, before and after, each with the ID of the endpoint.
pub(crate) fn changed_fields(before: &EndpointRow, after: &EndpointRow) -> (Value, Value) {
    let Difference { mut before, after: mut changed } = difference(&described(before), &described(after));
    before["endpoint"] = json!(after.id);
    changed["endpoint"] = json!(after.id);
    (before, changed)
}

/// Writes the audit row of a change that is about no single event.
pub(crate) async fn write_audit(
    tx: &mut Tx,
    action: AuditAction,
    by: ChangedBy<'_>,
    (before, after): (Value, Value),
    now: Millis,
) -> Result<(), Error> {
    let row = AuditRow {
        event: None,
        rev: 0,
        at: now,
        actor: by.actor.to_owned(),
        action,
        reason: by.reason.to_owned(),
        before,
        after,
    };
    audit::write(tx, row).await?;
    Ok(())
}
