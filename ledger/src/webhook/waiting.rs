//! Deliveries that wait for an earlier one of the same application.

use domain::Millis;
use serde_json::{Value, json};

use crate::store::error::Error;
use crate::store::transaction::Tx;

/// The `next_try_at` of a delivery that waits for an earlier one of its application.
pub(crate) const WAITING: Millis = Millis::MAX;

/// Makes the first pending delivery of each of these applications due if it waited for an earlier one.
pub(crate) async fn release_first(
    tx: &mut Tx,
    (endpoint, event): (&str, &str),
    keys: &[Value],
    now: Millis,
) -> Result<(), Error> {
    sqlx::query(
        "UPDATE webhook_delivery SET next_try_at = $4 WHERE endpoint = $1 AND event = $2 AND next_try_at = $5 AND seq IN (
             SELECT MIN(d.seq) FROM json_each($3) AS one JOIN webhook_delivery AS d
             ON d.endpoint = $1 AND d.event = $2 AND d.app_key = one.value ->> 'key' AND d.state = 'pending' GROUP BY d.app_key)",
    )
    .bind(endpoint)
    .bind(event)
    .bind(json!(keys).to_string())
    .bind(now)
    .bind(WAITING)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
