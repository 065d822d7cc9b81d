//! Deliveries to endpoints. A worker leases those that are due, and records the result of each. Of one application only the first
//! pending one is ever due, so its domain events arrive in order; other applications are not held up.

use domain::{DomainEvent, EventId, Millis};
use serde_json::json;
use sqlx::any::AnyRow;

use crate::admin::audit::{AuditAction, ChangedBy};
use crate::store::column::{count, int, text};
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::store::transaction::Tx;
use crate::tables::outbox::from_row;
use crate::webhook::endpoint::{EndpointRow, EndpointState, IN_FLIGHT_MAX, lock_endpoint};
use crate::webhook::endpoint_audit::{changed_fields, write_audit};
use crate::webhook::waiting::release_first;

/// After failing for this long, an endpoint is disabled: five days.
const FAILING_MAX_MS: Millis = 5 * 86_400_000;

/// A leased delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookDelivery {
    /// The endpoint.
    pub endpoint: String,
    /// The event; empty for a test.
    pub event: String,
    /// The number of the domain event.
    pub seq: i64,
    /// Attempts, including this one.
    pub attempts: u32,
    /// The fence: a result is recorded only under the current one.
    pub fence: i64,
    /// The domain event; none for a test.
    pub domain_event: Option<DomainEvent>,
}

/// The result of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryResult {
    /// The endpoint has it.
    Done,
    /// It is tried again after this time, in milliseconds.
    Retry {
        /// The wait.
        in_ms: Millis,
        /// Whether the endpoint is overloaded: then it gets fewer at once.
        is_overloaded: bool,
    },
    /// It was tried often enough.
    Dead,
    /// The endpoint wants no more deliveries: it is disabled, and this one waits.
    Gone,
}

/// What an attempt is recorded with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The result.
    pub result: DeliveryResult,
    /// The status code of the response, if there was one.
    pub status: Option<u16>,
    /// How long it took, in milliseconds.
    pub took_ms: Millis,
    /// What went wrong.
    pub error: Option<String>,
}

impl Ledger {
    /// Returns whether a delivery to this endpoint is due and the endpoint has room for it. It locks nothing.
    pub async fn has_due_delivery(&self, endpoint: &EndpointRow) -> Result<bool, Error> {
        let now = self.time().await?;
        let row = sqlx::query(
            "SELECT 1 AS one FROM webhook_delivery WHERE endpoint = $1 AND state = 'pending' AND next_try_at <= $2
             AND (SELECT COUNT(*) FROM webhook_delivery WHERE endpoint = $1 AND lease_until > 0 AND lease_until > $3) < $4 LIMIT 1",
        )
        .bind(&endpoint.id)
        .bind(endpoint.due_until(now))
        .bind(now)
        .bind(i64::from(endpoint.in_flight_max))
        .fetch_optional(self.reader())
        .await?;
        Ok(row.is_some())
    }

    /// Leases deliveries of an endpoint that are due for this time, as many as it may get at once.
    pub async fn lease_deliveries(
        &self,
        endpoint: &str,
        lease_ms: Millis,
    ) -> Result<Vec<WebhookDelivery>, Error> {
        let mut tx = self.begin().await?;
        let Some(endpoint) = lock_endpoint(&mut tx, endpoint).await? else { return Ok(Vec::new()) };
        let now = self.now(&mut tx).await?;
        let mut deliveries = Vec::new();
        for row in lease_rows(&mut tx, &endpoint, now, lease_ms).await? {
            deliveries.push(delivery(&mut tx, &endpoint.id, &row).await?);
        }
        tx.commit().await?;
        deliveries.sort_by_key(|delivery| delivery.seq);
        Ok(deliveries)
    }

    /// Records an attempt. Returns the state of the endpoint afterwards; `None` if the lease is no longer current.
    pub async fn record_attempt(
        &self,
        delivery: &WebhookDelivery,
        attempt: &Attempt,
    ) -> Result<Option<EndpointState>, Error> {
        let mut tx = self.begin().await?;
        let Some(endpoint) = lock_endpoint(&mut tx, &delivery.endpoint).await? else { return Ok(None) };
        let now = self.now(&mut tx).await?;
        if !write_attempt(&mut tx, delivery, attempt, now).await? {
            return Ok(None);
        }
        // A test says nothing about the deliveries that an endpoint should get.
        let state = match delivery.event.as_str() {
            "" => endpoint.state,
            _ => judge_endpoint(&mut tx, endpoint, attempt, now).await?,
        };
        tx.commit().await?;
        Ok(Some(state))
    }
}

async fn lease_rows(
    tx: &mut Tx,
    endpoint: &EndpointRow,
    now: Millis,
    lease_ms: Millis,
) -> Result<Vec<AnyRow>, Error> {
    let busy = sqlx::query(
        "SELECT COUNT(*) AS busy FROM webhook_delivery WHERE endpoint = $1 AND lease_until > 0 AND lease_until > $2",
    );
    let busy = busy.bind(&endpoint.id).bind(now).fetch_one(&mut **tx).await?;
    let room = endpoint.in_flight_max.saturating_sub(count(&busy, "busy")?);
    let leased = sqlx::query(
        "UPDATE webhook_delivery SET fence = fence + 1, attempts = attempts + 1, lease_until = $3, next_try_at = $3
         WHERE endpoint = $1 AND (event, seq) IN (
             SELECT event, seq FROM webhook_delivery WHERE endpoint = $1 AND state = 'pending' AND next_try_at <= $2
             ORDER BY next_try_at, event, seq LIMIT $4)
         RETURNING event, seq, attempts, fence",
    );
    let leased = leased.bind(&endpoint.id).bind(endpoint.due_until(now));
    Ok(leased.bind(now + lease_ms).bind(i64::from(room)).fetch_all(&mut **tx).await?)
}

async fn delivery(tx: &mut Tx, endpoint: &str, row: &AnyRow) -> Result<WebhookDelivery, Error> {
    let (event, seq) = (text(row, "event")?, int(row, "seq")?);
    let domain_event = match event.parse::<EventId>() {
        Ok(event) => domain_event(tx, &event, seq).await?,
        Err(_) => None,
    };
    Ok(WebhookDelivery {
        endpoint: endpoint.to_owned(),
        event,
        seq,
        attempts: count(row, "attempts")?,
        fence: int(row, "fence")?,
        domain_event,
    })
}

async fn domain_event(tx: &mut Tx, event: &EventId, seq: i64) -> Result<Option<DomainEvent>, Error> {
    let row = sqlx::query("SELECT * FROM outbox WHERE event = $1 AND seq = $2")
        .bind(event.as_str())
        .bind(seq)
        .fetch_optional(&mut **tx)
        .await?;
    row.map(|row| from_row(event, &row)).transpose()
}

/// Writes an attempt into its delivery, and makes the next one of the application due if this one has ended. Returns whether the
/// lease is current.
async fn write_attempt(
    tx: &mut Tx,
    delivery: &WebhookDelivery,
    attempt: &Attempt,
    now: Millis,
) -> Result<bool, Error> {
    let (state, next_try_at) = match attempt.result {
        DeliveryResult::Done => ("done", now),
        DeliveryResult::Dead => ("dead", now),
        DeliveryResult::Gone => ("pending", now),
        DeliveryResult::Retry { in_ms, .. } => ("pending", now + in_ms),
    };
    let written = sqlx::query(
        "UPDATE webhook_delivery SET state = $5, next_try_at = $6, lease_until = 0, fence = fence + 1, last_status = $7, last_ms = $8,
             last_error = $9, ended_at = $10
         WHERE endpoint = $1 AND event = $2 AND seq = $3 AND fence = $4 RETURNING app_key",
    );
    let written =
        written.bind(&delivery.endpoint).bind(&delivery.event).bind(delivery.seq).bind(delivery.fence);
    let written =
        written.bind(state).bind(next_try_at).bind(attempt.status.map(i64::from)).bind(attempt.took_ms);
    let ended_at = (state != "pending").then_some(now);
    let written = written.bind(attempt.error.as_deref()).bind(ended_at).fetch_optional(&mut **tx).await?;
    let Some(row) = written else { return Ok(false) };
    if ended_at.is_some() {
        let keys = [json!({ "key": text(&row, "app_key")? })];
        release_first(tx, (&delivery.endpoint, &delivery.event), &keys, now).await?;
    }
    Ok(true)
}

/// Keeps whether the endpoint works and how much it gets at once. Disables one that is gone or has failed for days.
async fn judge_endpoint(
    tx: &mut Tx,
    before: EndpointRow,
    attempt: &Attempt,
    now: Millis,
) -> Result<EndpointState, Error> {
    let after = judged(before.clone(), attempt.result, now);
    if after != before {
        after.update(tx).await?;
    }
    if after.state != before.state {
        let reason = attempt.error.as_deref().unwrap_or_default();
        let by = ChangedBy { actor: "worker", reason };
        write_audit(tx, AuditAction::DisableWebhook, by, changed_fields(&before, &after), now).await?;
    }
    Ok(after.state)
}

fn judged(mut row: EndpointRow, result: DeliveryResult, now: Millis) -> EndpointRow {
    if result == DeliveryResult::Done {
        row.failing_since = None;
        row.in_flight_max = (row.in_flight_max + 1).min(IN_FLIGHT_MAX);
        return row;
    }
    let since = *row.failing_since.get_or_insert(now);
    if let DeliveryResult::Retry { is_overloaded: true, .. } = result {
        row.in_flight_max = (row.in_flight_max / 2).max(1);
    }
    let is_gone = result == DeliveryResult::Gone;
    if row.state == EndpointState::On && (is_gone || now - since >= FAILING_MAX_MS) {
        row.state = EndpointState::Disabled;
    }
    row
}
