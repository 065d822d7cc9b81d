//! Leases of order calls. Dispatchers lease due calls, lowest number first, and take a token for each call in the same transaction:
//! the pace holds for all workers together, across crashes and changes of the leader.

use domain::{AppKey, EventId, Kind, Millis, Number, Release};
use sqlx::any::AnyRow;

use crate::calls::pace_bucket::{read_bucket, save_bucket};
use crate::store::column::{count, int, number, parsed, text};
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::store::transaction::Tx;
use crate::tables::event::{lock_known_event, settings};

/// How long a dispatcher has for one call, without its retries, in milliseconds. It is longer than the timeout of the order service.
pub const CALL_LEASE_MS: i64 = 10_000;

/// How long a dispatcher waits while as many calls are in flight as may be, in milliseconds.
const FULL_WAIT_MS: Millis = 5;

/// The kind of an order call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallKind {
    /// Creates the order.
    Put,
    /// Deletes the order and leaves a tombstone.
    Delete,
}

/// A leased order call, whose token is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The event.
    pub event: EventId,
    /// The key of the application; together with the event it is the key of the order.
    pub app_key: AppKey,
    /// The number of the application.
    pub number: Number,
    /// The kind.
    pub kind: CallKind,
    /// How many calls were made, including this one.
    pub attempts: u32,
    /// The fence: a response is recorded only under the current one.
    pub fence: i64,
    /// The sealed contact, base64.
    pub contact: String,
    /// The key id of the event's pepper, which opens the contact.
    pub pepper: String,
}

/// The result of leasing calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeasedCalls {
    /// The calls to make now.
    pub calls: Vec<Call>,
    /// The time until the next token, in milliseconds; `None` while the event is paused.
    pub next_token_in_ms: Option<Millis>,
}

impl Ledger {
    /// Returns whether an order call of this event is due, whether or not there is a token. It locks nothing.
    pub async fn has_due_call(&self, event: &EventId, now: Millis) -> Result<bool, Error> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS n FROM (SELECT number FROM application WHERE event = $1 AND state IN ('ordering', 'undoing')
             AND lease_until <= $2 AND next_try_at <= $2 LIMIT 1) AS due",
        )
        .bind(event.as_str()).bind(now).fetch_one(self.reader()).await?;
        Ok(int(&row, "n")? > 0)
    }

    /// Leases at most `max` due calls of an event and takes their tokens.
    pub async fn lease_calls(&self, event: &EventId, max: u32) -> Result<LeasedCalls, Error> {
        let mut tx = self.begin().await?;
        let row = lock_known_event(&mut tx, event).await?;
        let settings = settings(&row)?;
        if settings.release == Release::Paused {
            return Ok(LeasedCalls { calls: Vec::new(), next_token_in_ms: None });
        }
        let now = self.now(&mut tx).await?;
        let bucket = read_bucket(&row)?.refilled(settings.pace, now);
        let max = match settings.kind {
            Kind::Order | Kind::Pass => max,
            Kind::Confirm => {
                max.min(settings.in_flight_max.saturating_sub(in_flight(&mut tx, event, now).await?))
            }
        };
        if max == 0 {
            return Ok(LeasedCalls { calls: Vec::new(), next_token_in_ms: Some(FULL_WAIT_MS) });
        }
        let calls = lease_due(&mut tx, event, bucket.whole().min(max), now, &settings.pepper).await?;
        let paid = u32::try_from(calls.len()).unwrap_or(u32::MAX);
        let left = bucket.take(paid);
        if let Some(left) = left.filter(|_| paid > 0) {
            save_bucket(&mut tx, event, left).await?;
        }
        tx.commit().await?;
        let next_token_in_ms = Some(left.unwrap_or(bucket).wait_ms(settings.pace));
        Ok(LeasedCalls { calls, next_token_in_ms })
    }
}

/// The number of calls whose lease has not ended. In an event of kind `order` the admission keeps it below `in_flight_max`.
async fn in_flight(tx: &mut Tx, event: &EventId, now: Millis) -> Result<u32, Error> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS leased FROM application WHERE event = $1 AND state IN ('ordering', 'undoing') AND lease_until > $2",
    )
    .bind(event.as_str()).bind(now).fetch_one(&mut **tx).await?;
    count(&row, "leased")
}

async fn lease_due(
    tx: &mut Tx,
    event: &EventId,
    max: u32,
    now: Millis,
    pepper: &str,
) -> Result<Vec<Call>, Error> {
    let rows = sqlx::query(tx.dialect.lease_due())
        .bind(event.as_str())
        .bind(now + CALL_LEASE_MS)
        .bind(now)
        .bind(i64::from(max))
        .fetch_all(&mut **tx)
        .await?;
    let mut calls = rows.iter().map(|row| call(row, event, pepper)).collect::<Result<Vec<_>, _>>()?;
    // The rows of RETURNING are in no particular order.
    calls.sort_by_key(|call| call.number);
    Ok(calls)
}

fn call(row: &AnyRow, event: &EventId, pepper: &str) -> Result<Call, Error> {
    Ok(Call {
        event: event.clone(),
        app_key: parsed(row, "app_key")?,
        number: number(row)?,
        kind: if text(row, "state")? == "undoing" { CallKind::Delete } else { CallKind::Put },
        attempts: count(row, "attempts")?,
        fence: int(row, "fence")?,
        contact: text(row, "contact")?,
        pepper: pepper.to_owned(),
    })
}
