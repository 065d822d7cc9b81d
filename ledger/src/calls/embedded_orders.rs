//! The embedded order service: orders as rows of the ledger, for the demo and for shops without their own order service. It keeps
//! the contract of any order service: PUT is idempotent, DELETE leaves a tombstone.

use domain::{AppKey, EventId, Number};

use crate::calls::response::OrderResponse;
use crate::store::column::{parsed, text};
use crate::store::error::Error;
use crate::store::ledger::Ledger;

/// An order at the order service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRow {
    /// The application that it was created for.
    pub app_key: AppKey,
    /// Its order number.
    pub order_no: String,
    /// `false` for a tombstone.
    pub live: bool,
}

impl Ledger {
    /// Creates the order, or returns the existing one; `Deleted` if there is a tombstone.
    pub async fn put_order(
        &self,
        event: &EventId,
        app_key: AppKey,
        number: Number,
    ) -> Result<OrderResponse, Error> {
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
        let is_live = text(&row, "state")? == "live";
        Ok(if is_live { OrderResponse::Created(text(&row, "order_no")?) } else { OrderResponse::Deleted })
    }

    /// Deletes the order and leaves a tombstone, even if there never was an order.
    pub async fn delete_order(&self, event: &EventId, app_key: AppKey) -> Result<OrderResponse, Error> {
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
        Ok(OrderResponse::Deleted)
    }

    /// Returns all orders of the embedded order service.
    pub async fn order_rows(&self, event: &EventId) -> Result<Vec<OrderRow>, Error> {
        let rows = sqlx::query("SELECT app_key, order_no, state FROM placed_order WHERE event = $1")
            .bind(event.as_str())
            .fetch_all(self.reader())
            .await?;
        rows.iter()
            .map(|row| {
                let live = text(row, "state")? == "live";
                Ok(OrderRow { app_key: parsed(row, "app_key")?, order_no: text(row, "order_no")?, live })
            })
            .collect()
    }
}
