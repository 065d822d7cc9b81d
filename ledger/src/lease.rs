//! Order dispatchers lease what is due, lowest number first, and pay for each call with a token taken in the same transaction:
//! the pace holds for all workers together, across crashes and hand-overs.

use domain::{AppKey, Bucket, EventId, EventSettings, Millis, Number, Release};
use sqlx::any::AnyRow;

use crate::event;
use crate::lead::lock_event;
use crate::ledger::{Ledger, LedgerError, Tx, int, number, parsed, text};

/// How long a maker has for one call, its retries aside, in milliseconds. Longer than the order service's time-out.
pub const CALL_LEASE_MS: i64 = 10_000;

/// Which call to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallKind {
    /// Make the order.
    Put,
    /// Take it back for good.
    Delete,
}

/// One order call that is paid for and must be made now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The event.
    pub event: EventId,
    /// The application; with the event the key of the order.
    pub app_key: AppKey,
    /// Its number.
    pub number: Number,
    /// Which call.
    pub kind: CallKind,
    /// How often it was called before, and with this call.
    pub attempts: u32,
    /// Only the answer under this fence is recorded.
    pub fence: i64,
    /// The sealed contact, base64.
    pub contact: String,
    /// The key id of the event's pepper, which opens the contact.
    pub pepper: String,
}

/// What a maker got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leased {
    /// The calls to make now.
    pub calls: Vec<Call>,
    /// When asking again may bring more, in milliseconds; `None` if nothing is due.
    pub again_in_ms: Option<Millis>,
}

impl Ledger {
    /// Whether an order call of this event is due, tokens aside. Cheap: it locks nothing.
    pub async fn is_due(&self, event: &EventId, now: Millis) -> Result<bool, LedgerError> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS n FROM (SELECT number FROM application WHERE event = $1 AND state IN ('ordering', 'undoing')
             AND lease_until <= $2 AND next_try_at <= $2 LIMIT 1) AS due",
        )
        .bind(event.as_str()).bind(now).fetch_one(self.reader()).await?;
        Ok(int(&row, "n")? > 0)
    }

    /// Leases at most `max` due calls of an event and pays for them.
    pub async fn lease(&self, event: &EventId, max: u32) -> Result<Leased, LedgerError> {
        let mut tx = self.begin().await?;
        let row =
            lock_event(&mut tx, event).await?.ok_or_else(|| LedgerError::UnknownEvent(event.to_string()))?;
        let settings = event::settings(&text(&row, "settings")?)?;
        if settings.release == Release::Paused {
            return Ok(Leased { calls: Vec::new(), again_in_ms: None });
        }
        let now = self.now(&mut tx).await?;
        let bucket = bucket(&row)?.refilled(settings.pace, now);
        let calls = due(&mut tx, event, bucket.whole().min(max), now, &settings.pepper).await?;
        let paid = u32::try_from(calls.len()).unwrap_or(u32::MAX);
        if let Some(left) = bucket.take(paid).filter(|_| paid > 0) {
            save(&mut tx, event, left).await?;
        }
        tx.commit().await?;
        let again_in_ms = Some(bucket.take(paid).unwrap_or(bucket).wait_ms(settings.pace));
        Ok(Leased { calls, again_in_ms })
    }
}

/// Keeps the pace exact over a change of it: what came in until now counts at the old pace, and who resumes starts empty.
pub(crate) async fn fit_bucket(
    tx: &mut Tx,
    row: &AnyRow,
    next: &EventSettings,
    now: Millis,
) -> Result<(), LedgerError> {
    let before = event::settings(&text(row, "settings")?)?;
    if before.release == Release::Paused || next.release == Release::Paused {
        return save(tx, &next.id, Bucket::empty(now)).await;
    }
    if before.pace == next.pace {
        return Ok(());
    }
    save(tx, &next.id, bucket(row)?.refilled(before.pace, now)).await
}

fn bucket(row: &AnyRow) -> Result<Bucket, LedgerError> {
    Ok(Bucket { tokens: int(row, "tokens")?, refilled_at: int(row, "refilled_at")? })
}

async fn save(tx: &mut Tx, event: &EventId, bucket: Bucket) -> Result<(), LedgerError> {
    sqlx::query("UPDATE event SET tokens = $2, refilled_at = $3 WHERE id = $1")
        .bind(event.as_str())
        .bind(bucket.tokens)
        .bind(bucket.refilled_at)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn due(
    tx: &mut Tx,
    event: &EventId,
    max: u32,
    now: Millis,
    pepper: &str,
) -> Result<Vec<Call>, LedgerError> {
    let rows = sqlx::query(tx.dialect.lease_due())
        .bind(event.as_str())
        .bind(now + CALL_LEASE_MS)
        .bind(now)
        .bind(i64::from(max))
        .fetch_all(&mut **tx)
        .await?;
    let mut calls = Vec::with_capacity(rows.len());
    for row in &rows {
        calls.push(Call {
            event: event.clone(),
            app_key: parsed(row, "app_key")?,
            number: number(row)?,
            kind: if text(row, "state")? == "undoing" { CallKind::Delete } else { CallKind::Put },
            attempts: crate::ledger::count(row, "attempts")?,
            fence: int(row, "fence")?,
            contact: text(row, "contact")?,
            pepper: pepper.to_owned(),
        });
    }
    // RETURNING has no order of its own.
    calls.sort_by_key(|call| call.number);
    Ok(calls)
}
