//! Writing a changed event together with its audit row.

use domain::{DomainEventKind, EventSettings, Millis};
use serde_json::{Value, json};

use crate::admin::audit::{self, AuditAction, AuditRow, ChangedBy};
use crate::admin::event_draft::EventDraft;
use crate::store::error::Error;
use crate::store::transaction::Tx;
use crate::tables::event::EventRow;
use crate::tables::outbox;

/// A change to write.
pub(crate) struct EventChange<'a> {
    /// The event as it is locked.
    pub(crate) event: &'a EventRow,
    /// What the change makes of it.
    pub(crate) after: &'a EventDraft,
    pub(crate) action: AuditAction,
    pub(crate) by: ChangedBy<'a>,
}

/// Writes the event under the next rev, and the audit row.
pub(crate) async fn save(tx: &mut Tx, change: EventChange<'_>, now: Millis) -> Result<AuditRow, Error> {
    let EventChange { event, after, action, by } = &change;
    let id = &event.settings.id;
    let rev = event.rev + 1;
    let settings = serde_json::to_string(&after.settings).map_err(|error| not_json(&error))?;
    sqlx::query(
        "UPDATE event SET rev = $2, settings = $3, state = $4, frozen = $5, recover_until = $6, journals_missing = $7 WHERE id = $1",
    )
    .bind(id.as_str())
    .bind(rev)
    .bind(settings)
    .bind(after.state.as_str())
    .bind(after.frozen.as_deref())
    .bind(after.recover_until)
    .bind(i64::from(after.journals_missing))
    .execute(&mut **tx)
    .await?;
    post_change(tx, &change, rev, now).await?;
    let difference = audit::difference(&value(&EventDraft::of(event))?, &value(after)?);
    let row = AuditRow {
        event: Some(id.clone()),
        rev,
        at: now,
        actor: by.actor.to_owned(),
        action: *action,
        reason: by.reason.to_owned(),
        before: difference.before,
        after: difference.after,
    };
    audit::write(tx, row).await
}

/// Posts the domain events of a change.
async fn post_change(tx: &mut Tx, change: &EventChange<'_>, rev: i64, now: Millis) -> Result<(), Error> {
    let EventChange { event, after, .. } = change;
    let id = &event.settings.id;
    let settings =
        |settings: &EventSettings| serde_json::to_value(settings).map_err(|error| not_json(&error));
    let difference = audit::difference(&settings(&event.settings)?, &settings(&after.settings)?);
    let changed: Vec<&String> =
        difference.after.as_object().map(|fields| fields.keys().collect()).unwrap_or_default();
    if !changed.is_empty() {
        let mut fields = public_settings(&after.settings, rev);
        fields["changed"] = json!(changed);
        outbox::post_event(tx, id, DomainEventKind::EventUpdated, fields, now).await?;
    }
    if let (Some(why), None) = (&event.frozen, &after.frozen) {
        outbox::post_event(tx, id, DomainEventKind::EventUnfrozen, json!({ "why": why }), now).await?;
    }
    Ok(())
}

/// The settings that domain events contain.
pub(crate) fn public_settings(settings: &EventSettings, rev: i64) -> Value {
    // A pace is a decimal, so its text is a JSON number.
    let pace_per_s: Value = serde_json::from_str(&settings.pace.to_string()).unwrap_or_default();
    json!({
        "rev": rev, "kind": settings.kind, "title": settings.title, "opens_at_ms": settings.opens_at, "closes_at_ms": settings.closes_at,
        "capacity": settings.capacity, "pace_per_s": pace_per_s, "release": settings.release,
    })
}

fn value(draft: &EventDraft) -> Result<Value, Error> {
    serde_json::to_value(draft).map_err(|error| not_json(&error))
}

fn not_json(error: &serde_json::Error) -> Error {
    Error::Inconsistent(error.to_string())
}
