//! The outbox: domain events, written in the transaction of the change that they report.

use domain::{AppKey, EventId, Millis, Number, Outcome};
use serde_json::json;

use crate::store::column::{maybe_int, text};
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::store::transaction::Tx;
use crate::tables::application::ApplicationRow;

/// A domain event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainEvent {
    /// The event it is about.
    pub event: EventId,
    /// The application; empty if it is about the event as a whole.
    pub app_key: String,
    /// The type, such as `application.ordered`.
    pub kind: String,
    /// JSON without personal data.
    pub payload: String,
}

impl DomainEvent {
    /// The domain event of an application that ended.
    pub(crate) fn outcome(
        event: &EventId,
        app_key: AppKey,
        number: Number,
        outcome: Outcome,
        order_no: Option<&str>,
    ) -> Self {
        let payload = json!({ "event": event, "guid": app_key.guid(), "number": number, "outcome": outcome, "order_no": order_no });
        let kind = format!("application.{}", outcome.as_str());
        Self { event: event.clone(), app_key: app_key.to_string(), kind, payload: payload.to_string() }
    }

    /// The domain event of an applicant who is called and has time until `until`.
    pub(crate) fn called(event: &EventId, app_key: AppKey, number: Number, until: Millis) -> Self {
        let payload = json!({ "event": event, "guid": app_key.guid(), "number": number, "until_ms": until });
        Self {
            event: event.clone(),
            app_key: app_key.to_string(),
            kind: "application.called".into(),
            payload: payload.to_string(),
        }
    }

    /// The domain event of an applicant who confirmed.
    pub(crate) fn confirmed(row: &ApplicationRow) -> Self {
        let payload = json!({ "event": row.event, "guid": row.app_key.guid(), "number": row.number });
        Self {
            event: row.event.clone(),
            app_key: row.app_key.to_string(),
            kind: "application.confirmed".into(),
            payload: payload.to_string(),
        }
    }

    /// The domain event of an application that was parked.
    pub(crate) fn parked(row: &ApplicationRow) -> Self {
        let payload = json!({ "event": row.event, "guid": row.app_key.guid(), "number": row.number });
        Self {
            event: row.event.clone(),
            app_key: row.app_key.to_string(),
            kind: "application.parked".into(),
            payload: payload.to_string(),
        }
    }

    /// A domain event about the event as a whole.
    pub(crate) fn of_event(event: &EventId, kind: &str, why: &str) -> Self {
        let payload = json!({ "event": event, "why": why }).to_string();
        Self { event: event.clone(), app_key: String::new(), kind: kind.into(), payload }
    }
}

/// Writes a domain event in the transaction of the change that it reports.
pub(crate) async fn post(tx: &mut Tx, domain_event: &DomainEvent, now: Millis) -> Result<(), Error> {
    sqlx::query("INSERT INTO outbox (event, app_key, type, at, payload) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (event, app_key, type) DO NOTHING")
        .bind(domain_event.event.as_str()).bind(&domain_event.app_key).bind(&domain_event.kind).bind(now).bind(&domain_event.payload)
        .execute(&mut **tx).await?;
    Ok(())
}

/// A domain event and whether it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// The application, or empty.
    pub app_key: String,
    /// The type, such as `application.ordered`.
    pub kind: String,
    /// Whether it was sent.
    pub sent: bool,
}

impl Ledger {
    /// Returns domain events of an event that were not sent, oldest first, at most `max`.
    pub async fn unsent(&self, event: &EventId, max: u32) -> Result<Vec<DomainEvent>, Error> {
        let rows = sqlx::query("SELECT app_key, type, payload FROM outbox WHERE event = $1 AND sent_at IS NULL ORDER BY at LIMIT $2")
            .bind(event.as_str()).bind(i64::from(max)).fetch_all(self.reader()).await?;
        rows.iter()
            .map(|row| {
                Ok(DomainEvent {
                    event: event.clone(),
                    app_key: text(row, "app_key")?,
                    kind: text(row, "type")?,
                    payload: text(row, "payload")?,
                })
            })
            .collect()
    }

    /// Marks these domain events as sent.
    pub async fn mark_sent(&self, domain_events: &[DomainEvent]) -> Result<(), Error> {
        if domain_events.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        let now = self.now(&mut tx).await?;
        let json = |domain_event: &DomainEvent| json!({ "event": domain_event.event, "key": domain_event.app_key, "kind": domain_event.kind });
        sqlx::query(
            "UPDATE outbox SET sent_at = $2 FROM json_each($1) AS one
             WHERE outbox.event = one.value ->> 'event' AND app_key = one.value ->> 'key' AND outbox.type = one.value ->> 'kind'",
        )
        .bind(json!(domain_events.iter().map(json).collect::<Vec<_>>()).to_string()).bind(now)
        .execute(&mut *tx).await?;
        tx.commit().await
    }

    /// Returns all domain events of an event, sent or not.
    pub async fn outbox_rows(&self, event: &EventId) -> Result<Vec<OutboxRow>, Error> {
        let rows = sqlx::query("SELECT app_key, type, sent_at FROM outbox WHERE event = $1")
            .bind(event.as_str())
            .fetch_all(self.reader())
            .await?;
        rows.iter()
            .map(|row| {
                let sent = maybe_int(row, "sent_at")?.is_some();
                Ok(OutboxRow { app_key: text(row, "app_key")?, kind: text(row, "type")?, sent })
            })
            .collect()
    }
}
