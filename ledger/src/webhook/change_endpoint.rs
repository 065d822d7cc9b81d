//! Changes of webhook endpoints, with their audit.

use domain::{EventId, Millis};
use serde_json::{Value, json};

use crate::admin::audit::{AuditAction, ChangedBy};
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::store::transaction::Tx;
use crate::webhook::endpoint::{
    EndpointRow, EndpointSettings, EndpointState, IN_FLIGHT_MAX, lock_endpoint, target,
};
use crate::webhook::endpoint_audit::{changed_fields, described, write_audit};
use crate::webhook::waiting::WAITING;

/// How long the former secret signs too after a rotation, in milliseconds.
const ROTATION_MS: Millis = 86_400_000;
/// Deliveries that are due at once after an endpoint is resumed, at most. It bounds the transaction; the others keep their time.
const RESUMED_MAX: i64 = 10_000;

/// The settings of an endpoint to replace; the others stay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointPatch {
    /// The URL.
    pub url: Option<String>,
    /// The kinds of domain events.
    pub types: Option<Vec<String>>,
    /// The events.
    pub events: Option<Vec<EventId>>,
}

impl EndpointPatch {
    fn apply(self, before: EndpointSettings) -> EndpointSettings {
        EndpointSettings {
            url: self.url.unwrap_or(before.url),
            types: self.types.unwrap_or(before.types),
            events: self.events.unwrap_or(before.events),
        }
    }
}

/// A change of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointChange {
    /// Replaces some of its settings.
    Update(EndpointPatch),
    /// Makes no deliveries until it is resumed.
    Pause,
    /// Makes deliveries, and tries those at once that wait for their next attempt.
    Resume,
    /// Signs with this sealed secret, and for a day with the former one too.
    Rotate(String),
    /// Removes the endpoint with its deliveries.
    Delete,
}

impl EndpointChange {
    fn action(&self) -> AuditAction {
        match self {
            Self::Update(_) => AuditAction::UpdateWebhook,
            Self::Pause => AuditAction::PauseWebhook,
            Self::Resume => AuditAction::ResumeWebhook,
            Self::Rotate(_) => AuditAction::RotateWebhook,
            Self::Delete => AuditAction::DeleteWebhook,
        }
    }

    fn apply(&self, mut row: EndpointRow, now: Millis) -> EndpointRow {
        match self {
            Self::Update(patch) => row.settings = patch.clone().apply(row.settings),
            Self::Pause => row.state = EndpointState::Paused,
            Self::Resume => {
                row.state = EndpointState::On;
                row.failing_since = None;
                row.in_flight_max = IN_FLIGHT_MAX;
            }
            Self::Rotate(secret) => {
                let former = std::mem::replace(&mut row.secret, secret.clone());
                row.secret_before = Some((former, now + ROTATION_MS));
            }
            Self::Delete => {}
        }
        row
    }
}

impl Ledger {
    /// Creates an endpoint, which gets domain events from now on. Returns `None` if the ID is taken.
    pub async fn create_endpoint(
        &self,
        id: &str,
        settings: &EndpointSettings,
        secret: &str,
        by: ChangedBy<'_>,
    ) -> Result<Option<EndpointRow>, Error> {
        let mut tx = self.begin().await?;
        let now = self.now(&mut tx).await?;
        let row = EndpointRow::new(id, settings, secret, now);
        if !insert(&mut tx, &row).await? {
            return Ok(None);
        }
        add_cursors(&mut tx, &row).await?;
        write_audit(&mut tx, AuditAction::CreateWebhook, by, (Value::Null, described(&row)), now).await?;
        tx.commit().await?;
        Ok(Some(row))
    }

    /// Changes an endpoint, and returns it as it is then, or was before it was deleted. A change to what it is already is not audited.
    /// Returns `None` if there is none of this ID.
    pub async fn change_endpoint(
        &self,
        id: &str,
        change: &EndpointChange,
        by: ChangedBy<'_>,
    ) -> Result<Option<EndpointRow>, Error> {
        let mut tx = self.begin().await?;
        let Some(before) = lock_endpoint(&mut tx, id).await? else { return Ok(None) };
        let now = self.now(&mut tx).await?;
        let row = change.apply(before.clone(), now);
        store(&mut tx, change, &row, now).await?;
        let audited = match change {
            EndpointChange::Delete => (described(&row), json!({ "endpoint": id, "state": "deleted" })),
            _ => changed_fields(&before, &row),
        };
        if audited.0 != audited.1 {
            write_audit(&mut tx, change.action(), by, audited, now).await?;
        }
        tx.commit().await?;
        Ok(Some(row))
    }
}

async fn store(tx: &mut Tx, change: &EndpointChange, row: &EndpointRow, now: Millis) -> Result<(), Error> {
    match change {
        EndpointChange::Delete => return delete(tx, &row.id).await,
        EndpointChange::Resume => make_due(tx, &row.id, now).await?,
        _ => {}
    }
    row.update(tx).await
}

async fn add_cursors(tx: &mut Tx, row: &EndpointRow) -> Result<(), Error> {
    sqlx::query("INSERT INTO outbox_cursor (target, event, seq) SELECT $1, id, outbox_seq FROM event")
        .bind(row.target())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn insert(tx: &mut Tx, row: &EndpointRow) -> Result<bool, Error> {
    let inserted = sqlx::query(
        "INSERT INTO webhook_endpoint (id, url, types, events, state, secret, in_flight_max, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING",
    )
    .bind(&row.id)
    .bind(&row.settings.url)
    .bind(json!(row.settings.types).to_string())
    .bind(json!(row.settings.events).to_string())
    .bind(row.state.as_str())
    .bind(&row.secret)
    .bind(i64::from(row.in_flight_max))
    .bind(row.created_at)
    .execute(&mut **tx)
    .await?;
    Ok(inserted.rows_affected() > 0)
}

/// Makes the deliveries due that wait for their next attempt, except those whose attempt runs.
async fn make_due(tx: &mut Tx, id: &str, now: Millis) -> Result<(), Error> {
    sqlx::query(
        "UPDATE webhook_delivery SET next_try_at = $2 WHERE endpoint = $1 AND (event, seq) IN (
             SELECT event, seq FROM webhook_delivery WHERE endpoint = $1 AND state = 'pending' AND next_try_at > $2 AND next_try_at < $3 AND lease_until <= $2
             ORDER BY next_try_at, event, seq LIMIT $4)",
    )
    .bind(id)
    .bind(now)
    .bind(WAITING)
    .bind(RESUMED_MAX)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn delete(tx: &mut Tx, id: &str) -> Result<(), Error> {
    sqlx::query("DELETE FROM outbox_cursor WHERE target = $1").bind(target(id)).execute(&mut **tx).await?;
    sqlx::query("DELETE FROM webhook_delivery WHERE endpoint = $1").bind(id).execute(&mut **tx).await?;
    sqlx::query("DELETE FROM webhook_endpoint WHERE id = $1").bind(id).execute(&mut **tx).await?;
    Ok(())
}
