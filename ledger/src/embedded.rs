//! The embedded order service: orders as rows of the ledger, for the demo and for shops without a service of their own.
//! It keeps the same contract as any order service: PUT is idempotent, DELETE leaves a tombstone.

use domain::{AppKey, EventId, Number};

use crate::answer::Answer;
use crate::ledger::{Ledger, LedgerError, text};

impl Ledger {
    /// Makes the order, or finds it made; `Gone` behind a tombstone.
    pub async fn put_order(
        &self,
        event: &EventId,
        app_key: AppKey,
        number: Number,
    ) -> Result<Answer, LedgerError> {
        let mut tx = self.begin().await?;
        let now = self.now(&mut tx).await?;
        let order_no = format!("{}-{number:06}", event.as_str().to_uppercase());
        sqlx::query("INSERT INTO placed_order (event, app_key, order_no, state, at) VALUES ($1, $2, $3, 'live', $4) ON CONFLICT (event, app_key) DO NOTHING")
            .bind(event.as_str()).bind(app_key.to_string()).bind(&order_no).bind(now)
            .execute(&mut *tx).await?;
        let row = sqlx::query("SELECT order_no, state FROM placed_order WHERE event = $1 AND app_key = $2")
            .bind(event.as_str())
            .bind(app_key.to_string())
            .fetch_one(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(if text(&row, "state")? == "live" { Answer::Made(text(&row, "order_no")?) } else { Answer::Gone })
    }

    /// Takes the order back and leaves a tombstone, even if there never was an order.
    pub async fn delete_order(&self, event: &EventId, app_key: AppKey) -> Result<Answer, LedgerError> {
        let mut tx = self.begin().await?;
        let now = self.now(&mut tx).await?;
        sqlx::query(
            "INSERT INTO placed_order (event, app_key, order_no, state, at) VALUES ($1, $2, '', 'gone', $3)
             ON CONFLICT (event, app_key) DO UPDATE SET state = 'gone'",
        )
        .bind(event.as_str())
        .bind(app_key.to_string())
        .bind(now)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Answer::Gone)
    }
}
