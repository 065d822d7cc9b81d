//! The fan-out: domain events become deliveries to the endpoints that want them.

use domain::{DomainEvent, EventId};
use serde_json::{Value, json};

use crate::outbox::delivery::move_cursor;
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::store::transaction::Tx;
use crate::webhook::endpoint::{EndpointRow, lock_endpoint};
use crate::webhook::waiting::{WAITING, release_first};

impl Ledger {
    /// Gives an endpoint that has no cursor in this event one behind the last numbered domain event.
    pub async fn add_endpoint_cursor(&self, endpoint: &EndpointRow, event: &EventId) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        // Not for an endpoint that was deleted meanwhile: a cursor that never moves would keep the domain events for ever.
        if lock_endpoint(&mut tx, &endpoint.id).await?.is_some() {
            sqlx::query(
                "INSERT INTO outbox_cursor (target, event, seq) SELECT $1, id, outbox_seq FROM event WHERE id = $2
                 ON CONFLICT (target, event) DO NOTHING",
            )
            .bind(endpoint.target())
            .bind(event.as_str())
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await
    }

    /// Makes deliveries of the domain events that this endpoint wants, and moves its cursor from `from` behind all of them, in one
    /// transaction. Nothing happens if the cursor is elsewhere.
    pub async fn fan_out(
        &self,
        endpoint: &str,
        event: &EventId,
        from: i64,
        domain_events: &[DomainEvent],
    ) -> Result<(), Error> {
        let Some(last) = domain_events.last().and_then(|last| last.seq) else { return Ok(()) };
        let mut tx = self.begin().await?;
        let Some(endpoint) = lock_endpoint(&mut tx, endpoint).await? else { return Ok(()) };
        if !move_cursor(&mut tx, &endpoint.target(), event, from, last).await? {
            return Ok(());
        }
        let wanted = domain_events.iter().filter(|one| endpoint.settings.wants(one));
        let wanted: Vec<Value> = wanted.map(delivery).collect();
        insert(&mut tx, &endpoint.id, event, &wanted).await?;
        let now = self.now(&mut tx).await?;
        release_first(&mut tx, (&endpoint.id, event.as_str()), &wanted, now).await?;
        tx.commit().await
    }
}

/// Inserts deliveries. One that exists is made again: an operator has set the cursor back.
async fn insert(tx: &mut Tx, endpoint: &str, event: &EventId, wanted: &[Value]) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO webhook_delivery (endpoint, event, seq, app_key, type, state, next_try_at)
         SELECT $1, $2, CAST(one.value ->> 'seq' AS BIGINT), one.value ->> 'key', one.value ->> 'type', 'pending', $4
         FROM json_each($3) AS one WHERE true
         ON CONFLICT (endpoint, event, seq) DO UPDATE SET state = 'pending', attempts = 0, next_try_at = $4, ended_at = NULL",
    )
    .bind(endpoint)
    .bind(event.as_str())
    .bind(json!(wanted).to_string())
    .bind(WAITING)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn delivery(one: &DomainEvent) -> Value {
    let key = one.app_key.map(|key| key.to_string()).unwrap_or_default();
    json!({ "seq": one.seq, "key": key, "type": one.kind.as_str() })
}
