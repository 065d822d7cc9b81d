//! What leaves the ledger: outcomes for the queue to show, and domain events for everybody else.

use domain::{AppKey, Epoch, EventId, Millis, Number, Outcome};
use serde_json::json;

use crate::lead::lock_event;
use crate::ledger::{Ledger, LedgerError, Tx, count, maybe_text, number, parsed, text};
use crate::read::ApplicationRow;

/// A domain event: something happened, told once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainEvent {
    /// The event it is about.
    pub event: EventId,
    /// The application, or empty.
    pub app_key: String,
    /// What happened, `application.ordered`.
    pub kind: String,
    /// JSON without personal data.
    pub payload: String,
}

impl DomainEvent {
    pub(crate) fn of(
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

    pub(crate) fn parked(row: &ApplicationRow) -> Self {
        let payload = json!({ "event": row.event, "guid": row.app_key.guid(), "number": row.number });
        let kind = "application.parked".into();
        Self {
            event: row.event.clone(),
            app_key: row.app_key.to_string(),
            kind,
            payload: payload.to_string(),
        }
    }

    pub(crate) fn of_event(event: &EventId, kind: &str, why: &str) -> Self {
        let payload = json!({ "event": event, "why": why }).to_string();
        Self { event: event.clone(), app_key: String::new(), kind: kind.into(), payload }
    }
}

/// Writes a domain event, in the transaction of what it tells.
pub(crate) async fn post(tx: &mut Tx, domain_event: &DomainEvent, now: Millis) -> Result<(), LedgerError> {
    sqlx::query("INSERT INTO outbox (event, app_key, type, at, payload) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (event, app_key, type) DO NOTHING")
        .bind(domain_event.event.as_str()).bind(&domain_event.app_key).bind(&domain_event.kind).bind(now).bind(&domain_event.payload)
        .execute(&mut **tx).await?;
    Ok(())
}

/// An outcome that the queue does not show yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToShow {
    /// The application.
    pub app_key: AppKey,
    /// Its number.
    pub number: Number,
    /// How it ended.
    pub outcome: Outcome,
    /// The order number, if ordered.
    pub order_no: Option<String>,
}

impl Ledger {
    /// Outcomes that the queue of this epoch does not show yet: new ones, and all of them after the queue lost some.
    pub async fn to_show(&self, event: &EventId, epoch: Epoch, max: u32) -> Result<Vec<ToShow>, LedgerError> {
        let rows = sqlx::query(
            "SELECT app_key, number, outcome, order_no FROM application
             WHERE event = $1 AND outcome IS NOT NULL AND shown_epoch < $2 LIMIT $3",
        )
        .bind(event.as_str())
        .bind(i64::from(epoch.0))
        .bind(i64::from(max))
        .fetch_all(self.reader())
        .await?;
        rows.iter()
            .map(|row| {
                let outcome = text(row, "outcome")?;
                let outcome = Outcome::parse(&outcome)
                    .ok_or_else(|| LedgerError::Inconsistent(format!("an outcome cannot be '{outcome}'")))?;
                Ok(ToShow {
                    app_key: parsed(row, "app_key")?,
                    number: number(row)?,
                    outcome,
                    order_no: maybe_text(row, "order_no")?,
                })
            })
            .collect()
    }

    /// The queue shows these now. One whose outcome changed meanwhile stays to be shown.
    pub async fn mark_shown(
        &self,
        event: &EventId,
        epoch: Epoch,
        shown: &[ToShow],
    ) -> Result<(), LedgerError> {
        if shown.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        // Many rows are locked below: without this, a leader that was just followed could wait in a circle with the next one.
        lock_event(&mut tx, event).await?;
        let json = |one: &ToShow| json!({ "key": one.app_key.to_string(), "outcome": one.outcome.as_str() });
        sqlx::query(
            "UPDATE application SET shown_epoch = $3 FROM json_each($2) AS one
             WHERE event = $1 AND app_key = one.value ->> 'key' AND outcome = one.value ->> 'outcome'",
        )
        .bind(event.as_str())
        .bind(json!(shown.iter().map(json).collect::<Vec<_>>()).to_string())
        .bind(i64::from(epoch.0))
        .execute(&mut *tx)
        .await?;
        tx.commit().await
    }

    /// Domain events of an event that were not sent, oldest first.
    pub async fn unsent(&self, event: &EventId, max: u32) -> Result<Vec<DomainEvent>, LedgerError> {
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

    /// These domain events were sent.
    pub async fn mark_sent(&self, domain_events: &[DomainEvent]) -> Result<(), LedgerError> {
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

    /// How many orders are not answered yet, and how many are parked.
    pub async fn under_way(&self, event: &EventId) -> Result<(u32, u32), LedgerError> {
        // Two counts, each over an index of its own: what has ended is most of a big event, and is not read.
        let row = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM application WHERE event = $1 AND state IN ('ordering', 'undoing')) AS ordering,
                    (SELECT COUNT(*) FROM application WHERE event = $1 AND state = 'parked') AS parked",
        )
        .bind(event.as_str()).fetch_one(self.reader()).await?;
        Ok((count(&row, "ordering")?, count(&row, "parked")?))
    }
}
