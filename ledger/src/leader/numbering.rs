//! Numbering the domain events of an event, under the leader's fence, and the cursors of the targets.
//!
//! A row is numbered after it is committed, so a target that reads in the order of the numbers passes no row. The rows of one
//! application are written under its lock: once a version can be seen, so can all before it.

use domain::{EventId, Fence};
use serde_json::json;

use crate::leader::leader_lease::lock_led_event;
use crate::store::column::{int, text};
use crate::store::error::Error;
use crate::store::ledger::Ledger;

impl Ledger {
    /// Numbers at most `max` new domain events of an event, and returns how many there were.
    pub async fn number_domain_events(&self, event: &EventId, fence: Fence, max: u32) -> Result<u32, Error> {
        let any = sqlx::query("SELECT 1 AS one FROM outbox WHERE event = $1 AND seq IS NULL LIMIT 1")
            .bind(event.as_str())
            .fetch_optional(self.reader())
            .await?;
        if any.is_none() {
            return Ok(0);
        }
        let mut tx = self.begin().await?;
        let led = lock_led_event(self, &mut tx, event, fence).await?;
        let rows = sqlx::query(
            "SELECT app_key, version FROM outbox WHERE event = $1 AND seq IS NULL ORDER BY at, app_key, version LIMIT $2",
        )
        .bind(event.as_str())
        .bind(i64::from(max))
        .fetch_all(&mut *tx)
        .await?;
        let mut last = led.event.outbox_seq;
        let mut numbered = Vec::with_capacity(rows.len());
        for row in &rows {
            last += 1;
            numbered
                .push(json!({ "key": text(row, "app_key")?, "version": int(row, "version")?, "seq": last }));
        }
        sqlx::query(
            "UPDATE outbox SET seq = CAST(one.value ->> 'seq' AS BIGINT) FROM json_each($2) AS one
             WHERE outbox.event = $1 AND app_key = one.value ->> 'key' AND version = CAST(one.value ->> 'version' AS BIGINT)
                 AND outbox.seq IS NULL",
        )
        .bind(event.as_str())
        .bind(json!(numbered).to_string())
        .execute(&mut *tx)
        .await?;
        sqlx::query("UPDATE event SET outbox_seq = $2 WHERE id = $1")
            .bind(event.as_str())
            .bind(last)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(u32::try_from(rows.len()).unwrap_or(u32::MAX))
    }

    /// Gives a target that is new to this event a cursor behind the last numbered domain event.
    pub async fn add_target(&self, event: &EventId, fence: Fence, target: &str) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let led = lock_led_event(self, &mut tx, event, fence).await?;
        sqlx::query(
            "INSERT INTO outbox_cursor (target, event, seq) VALUES ($1, $2, $3) ON CONFLICT (target, event) DO NOTHING",
        )
        .bind(target)
        .bind(event.as_str())
        .bind(led.event.outbox_seq)
        .execute(&mut *tx)
        .await?;
        tx.commit().await
    }
}
