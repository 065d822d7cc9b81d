//! What happened in each of the last seconds of an event, for the charts of the operator console. The leader adds the queue's figures,
//! and every dispatcher its order calls. Nothing is decided from it.
//!
//! The rows are a ring: a second takes the row of the one [`ACTIVITY_SECONDS`] before it, so the table never grows and no process needs
//! the right to delete.

use domain::{EventId, Millis};
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;

use crate::store::column::{int, maybe_count, text};
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::store::transaction::Tx;

/// How many seconds are kept.
pub const ACTIVITY_SECONDS: u32 = 900;
/// The upper bounds of the latency buckets in milliseconds. The last bucket has none.
const LATENCY_BOUNDS_MS: [u32; 15] = [5, 10, 20, 35, 50, 75, 100, 150, 250, 400, 600, 1000, 1500, 2500, 5000];
/// A latency in the last bucket counts as this much: the timeout of an order call is below it.
const LATENCY_MAX_MS: u32 = 10_000;

/// The order calls that ended in one second, or in several.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallActivity {
    /// Applications that ended with an order.
    pub ordered: u32,
    /// Applications that ended with a rejection.
    pub rejected: u32,
    /// Applications that ended without an order after a cancellation.
    pub cancelled: u32,
    /// Calls without a clear response, which are repeated.
    pub unclear: u32,
    /// Calls by their latency: counts of the buckets.
    pub latency: [u32; LATENCY_BOUNDS_MS.len() + 1],
}

impl CallActivity {
    /// Counts a call that took so long.
    pub fn count_call(&mut self, latency_ms: Millis) {
        let bucket = LATENCY_BOUNDS_MS.iter().position(|bound| latency_ms <= Millis::from(*bound));
        self.latency[bucket.unwrap_or(LATENCY_BOUNDS_MS.len())] += 1;
    }

    /// The number of calls.
    pub fn calls(&self) -> u32 {
        self.latency.iter().sum()
    }

    /// Adds the calls of another second or process.
    pub fn add(&mut self, other: &Self) {
        self.ordered += other.ordered;
        self.rejected += other.rejected;
        self.cancelled += other.cancelled;
        self.unclear += other.unclear;
        for (own, more) in self.latency.iter_mut().zip(other.latency) {
            *own += more;
        }
    }

    /// The latency that this share of the calls, in percent, did not exceed: an estimate between the bounds of its bucket. `None`
    /// without calls.
    pub fn percentile_ms(&self, percent: u32) -> Option<u32> {
        let calls = self.calls();
        let wanted = (u64::from(calls) * u64::from(percent)).div_ceil(100).max(1);
        let mut below = 0;
        let mut from = 0;
        let uppers = LATENCY_BOUNDS_MS.iter().copied().chain([LATENCY_MAX_MS]);
        for (count, to) in self.latency.iter().map(|count| u64::from(*count)).zip(uppers) {
            if count > 0 && below + count >= wanted {
                let within = u64::from(to - from) * (wanted - below) / count;
                return Some(from + u32::try_from(within).unwrap_or(0));
            }
            below += count;
            from = to;
        }
        None
    }
}

/// One second of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityRow {
    /// The start of the second by the ledger's clock.
    pub at: Millis,
    /// Applications until then that have a number, without skipped ones; `None` if no leader reported.
    pub applied: Option<u32>,
    /// Waiting numbers; `None` if no leader reported.
    pub waiting: Option<u32>,
    /// The order calls that ended.
    pub calls: CallActivity,
}

impl ActivityRow {
    fn from_row(row: &AnyRow) -> Result<Self, Error> {
        Ok(Self {
            at: int(row, "at")?,
            applied: maybe_count(row, "applied")?,
            waiting: maybe_count(row, "waiting")?,
            calls: parse_calls(&text(row, "calls")?)?,
        })
    }
}

fn parse_calls(json: &str) -> Result<CallActivity, Error> {
    if json.is_empty() {
        return Ok(CallActivity::default());
    }
    serde_json::from_str(json).map_err(|error| Error::Inconsistent(format!("the calls of a second: {error}")))
}

fn second_of(now: Millis) -> Millis {
    now - now.rem_euclid(1000)
}

fn slot_of(second: Millis) -> i64 {
    (second / 1000).rem_euclid(i64::from(ACTIVITY_SECONDS))
}

/// Records the queue's figures of this second.
pub(crate) async fn record_queue(
    tx: &mut Tx,
    event: &EventId,
    now: Millis,
    applied: u32,
    waiting: u32,
) -> Result<(), Error> {
    let second = second_of(now);
    sqlx::query(
        "INSERT INTO activity (event, slot, at, applied, waiting) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (event, slot) DO UPDATE SET at = $3, applied = $4, waiting = $5,
             calls = CASE WHEN activity.at = $3 THEN activity.calls ELSE '' END",
    )
    .bind(event.as_str())
    .bind(slot_of(second))
    .bind(second)
    .bind(i64::from(applied))
    .bind(i64::from(waiting))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

impl Ledger {
    /// Adds order calls to those of the current second.
    pub async fn record_calls(&self, event: &EventId, calls: &CallActivity) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let second = second_of(self.now(&mut tx).await?);
        let slot = slot_of(second);
        sqlx::query(
            "INSERT INTO activity (event, slot, at) VALUES ($1, $2, $3) ON CONFLICT (event, slot) DO NOTHING",
        )
        .bind(event.as_str())
        .bind(slot)
        .bind(second)
        .execute(&mut *tx)
        .await?;
        // An update that changes nothing locks the row in both dialects.
        let row = sqlx::query(
            "UPDATE activity SET slot = slot WHERE event = $1 AND slot = $2 RETURNING at, applied, waiting, calls",
        )
        .bind(event.as_str()).bind(slot)
        .fetch_one(&mut *tx).await?;
        let mut now = ActivityRow::from_row(&row)?;
        if now.at != second {
            now = ActivityRow { at: second, applied: None, waiting: None, calls: CallActivity::default() };
        }
        now.calls.add(calls);
        let json =
            serde_json::to_string(&now.calls).map_err(|error| Error::Inconsistent(error.to_string()))?;
        sqlx::query("UPDATE activity SET at = $3, applied = $4, waiting = $5, calls = $6 WHERE event = $1 AND slot = $2")
            .bind(event.as_str()).bind(slot).bind(now.at).bind(now.applied.map(i64::from)).bind(now.waiting.map(i64::from)).bind(json)
            .execute(&mut *tx).await?;
        tx.commit().await
    }

    /// Returns the seconds since this time, oldest first. Seconds in which nothing was recorded are missing.
    pub async fn activity(&self, event: &EventId, since: Millis) -> Result<Vec<ActivityRow>, Error> {
        let rows = sqlx::query("SELECT * FROM activity WHERE event = $1 AND at >= $2 ORDER BY at")
            .bind(event.as_str())
            .bind(since)
            .fetch_all(self.reader())
            .await?;
        rows.iter().map(ActivityRow::from_row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_lies_within_the_bucket_of_its_call() {
        let mut calls = CallActivity::default();
        assert_eq!(calls.percentile_ms(50), None);
        for latency_ms in [12; 98].into_iter().chain([300, 99_000]) {
            calls.count_call(latency_ms);
        }
        assert_eq!(calls.calls(), 100);
        let percentile = |percent| calls.percentile_ms(percent).unwrap();
        assert!((11..=20).contains(&percentile(50)), "{}", percentile(50));
        assert_eq!((percentile(98), percentile(99), percentile(100)), (20, 400, 10_000));
    }

    #[test]
    fn a_second_returns_to_its_row_after_the_whole_ring() {
        assert_eq!(second_of(1_795_345_200_999), 1_795_345_200_000);
        let (second, ring) = (1_795_345_200_000, i64::from(ACTIVITY_SECONDS) * 1000);
        assert_eq!(slot_of(second), slot_of(second + ring));
        assert_ne!(slot_of(second), slot_of(second + 1000));
    }
}
