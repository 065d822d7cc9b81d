//! The deliveries as an operator sees them: the log, sending again, and a test.

use domain::{EventId, Millis};
use serde_json::{Value, json};
use sqlx::any::AnyRow;

use crate::admin::audit::{AuditAction, ChangedBy};
use crate::store::column::{count, int, maybe_count, maybe_int, maybe_text, text};
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::store::transaction::Tx;
use crate::webhook::endpoint::lock_endpoint;
use crate::webhook::endpoint_audit::write_audit;
use crate::webhook::waiting::{WAITING, release_first};

/// How long tests stay in the log, in milliseconds: a day.
const TEST_KEPT_MS: Millis = 86_400_000;

/// A delivery in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    /// The event; empty for a test.
    pub event: String,
    /// The number of the domain event.
    pub seq: i64,
    /// The kind of the domain event.
    pub kind: String,
    /// `pending`, `done` or `dead`.
    pub state: String,
    /// Attempts.
    pub attempts: u32,
    /// When the next attempt is due; none if it has ended, or waits for an earlier delivery of the same application.
    pub next_try_at: Option<Millis>,
    /// The status code of the last response.
    pub last_status: Option<u32>,
    /// How long the last attempt took, in milliseconds.
    pub last_ms: Option<i64>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When it ended.
    pub ended_at: Option<Millis>,
}

impl DeliveryRow {
    fn from_row(row: &AnyRow) -> Result<Self, Error> {
        let state = text(row, "state")?;
        let next_try_at = int(row, "next_try_at")?;
        Ok(Self {
            event: text(row, "event")?,
            seq: int(row, "seq")?,
            kind: text(row, "type")?,
            attempts: count(row, "attempts")?,
            next_try_at: (state == "pending" && next_try_at != WAITING).then_some(next_try_at),
            state,
            last_status: maybe_count(row, "last_status")?,
            last_ms: maybe_int(row, "last_ms")?,
            last_error: maybe_text(row, "last_error")?,
            ended_at: maybe_int(row, "ended_at")?,
        })
    }
}

/// Which deliveries to list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeliveryFilter<'a> {
    /// Those of this event; of the empty one, tests.
    pub event: Option<&'a str>,
    /// Those in this state.
    pub state: Option<&'a str>,
}

/// Deliveries to send again: those of an event in a range of numbers, both included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRange {
    /// The event.
    pub event: EventId,
    /// The first number.
    pub from: i64,
    /// The last number.
    pub to: i64,
}

impl Ledger {
    /// Returns deliveries to an endpoint, at most `max`: tests first, then by event, latest numbers first.
    pub async fn deliveries(
        &self,
        endpoint: &str,
        filter: DeliveryFilter<'_>,
        max: u32,
    ) -> Result<Vec<DeliveryRow>, Error> {
        let rows = sqlx::query(
            "SELECT * FROM webhook_delivery WHERE endpoint = $1 AND ($2 = '' OR state = $2) AND ($3 = 0 OR event = $4)
             ORDER BY event, seq DESC LIMIT $5",
        )
        .bind(endpoint)
        .bind(filter.state.unwrap_or_default())
        .bind(i64::from(filter.event.is_some()))
        .bind(filter.event.unwrap_or_default())
        .bind(i64::from(max))
        .fetch_all(self.reader())
        .await?;
        rows.iter().map(DeliveryRow::from_row).collect()
    }

    /// Returns how many deliveries to an endpoint have not ended.
    pub async fn count_pending_deliveries(&self, endpoint: &str) -> Result<u32, Error> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS pending FROM webhook_delivery WHERE endpoint = $1 AND state = 'pending'",
        )
        .bind(endpoint)
        .fetch_one(self.reader())
        .await?;
        count(&row, "pending")
    }

    /// Returns how many deliveries in a range have ended.
    pub async fn count_ended_deliveries(&self, endpoint: &str, range: &DeliveryRange) -> Result<u32, Error> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS ended FROM webhook_delivery
             WHERE endpoint = $1 AND event = $2 AND seq >= $3 AND seq <= $4 AND state <> 'pending'",
        )
        .bind(endpoint)
        .bind(range.event.as_str())
        .bind(range.from)
        .bind(range.to)
        .fetch_one(self.reader())
        .await?;
        count(&row, "ended")
    }

    /// Makes the deliveries in a range that have ended once more, under the same IDs. Returns how many; `None` if there is no such
    /// endpoint.
    pub async fn replay_deliveries(
        &self,
        endpoint: &str,
        range: &DeliveryRange,
        by: ChangedBy<'_>,
    ) -> Result<Option<usize>, Error> {
        let mut tx = self.begin().await?;
        if lock_endpoint(&mut tx, endpoint).await?.is_none() {
            return Ok(None);
        }
        let now = self.now(&mut tx).await?;
        let keys = make_pending(&mut tx, endpoint, range).await?;
        release_first(&mut tx, (endpoint, range.event.as_str()), &keys, now).await?;
        let described = json!({ "endpoint": endpoint, "event": range.event, "from_seq": range.from, "to_seq": range.to, "deliveries": keys.len() });
        write_audit(&mut tx, AuditAction::ReplayWebhook, by, (json!({}), described), now).await?;
        tx.commit().await?;
        Ok(Some(keys.len()))
    }

    /// Makes a test delivery to an endpoint. Returns its number; `None` if there is no such endpoint.
    pub async fn test_endpoint(&self, endpoint: &str) -> Result<Option<i64>, Error> {
        let mut tx = self.begin().await?;
        if lock_endpoint(&mut tx, endpoint).await?.is_none() {
            return Ok(None);
        }
        let now = self.now(&mut tx).await?;
        delete_tests(&mut tx, endpoint, now - TEST_KEPT_MS).await?;
        let row = sqlx::query(
            "INSERT INTO webhook_delivery (endpoint, event, seq, app_key, type, state, next_try_at)
             SELECT $1, '', CASE WHEN last.seq >= $2 THEN last.seq + 1 ELSE $2 END, '', 'webhook.test', 'pending', 0
             FROM (SELECT COALESCE(MAX(seq), 0) AS seq FROM webhook_delivery WHERE endpoint = $1 AND event = '') AS last RETURNING seq",
        );
        let row = row.bind(endpoint).bind(now).fetch_one(&mut *tx).await?;
        tx.commit().await?;
        Ok(Some(int(&row, "seq")?))
    }
}

/// Makes deliveries pending that have ended. Returns the keys of their applications.
async fn make_pending(tx: &mut Tx, endpoint: &str, range: &DeliveryRange) -> Result<Vec<Value>, Error> {
    let again = sqlx::query(
        "UPDATE webhook_delivery SET state = 'pending', attempts = 0, next_try_at = $5, ended_at = NULL
         WHERE endpoint = $1 AND event = $2 AND seq >= $3 AND seq <= $4 AND state <> 'pending' RETURNING app_key",
    );
    let again = again.bind(endpoint).bind(range.event.as_str()).bind(range.from).bind(range.to);
    let rows = again.bind(WAITING).fetch_all(&mut **tx).await?;
    rows.iter().map(|row| Ok(json!({ "key": text(row, "app_key")? }))).collect()
}

async fn delete_tests(tx: &mut Tx, endpoint: &str, before: Millis) -> Result<(), Error> {
    sqlx::query("DELETE FROM webhook_delivery WHERE endpoint = $1 AND event = '' AND seq < $2")
        .bind(endpoint)
        .bind(before)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
