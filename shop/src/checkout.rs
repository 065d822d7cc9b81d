//! Regular checkout: stock and order change in one transaction, once per form however often it is submitted.

use sqlx::Row as _;

use crate::store::Store;

/// A submitted checkout form.
#[derive(Debug)]
pub(crate) struct CheckoutForm {
    /// The product.
    pub(crate) product: i64,
    /// The quantity.
    pub(crate) pieces: u32,
    /// The form's hidden key.
    pub(crate) form_key: String,
}

/// The result of a checkout.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CheckoutResult {
    /// The order, made now or by an earlier submission of the same form.
    Order(String),
    /// Fewer pieces are in stock than requested.
    SoldOut,
}

/// An order as its page shows it, without personal data.
#[derive(Debug)]
pub(crate) enum PlacedOrder {
    /// A regular order.
    Sale {
        /// The product.
        product: i64,
        /// The quantity.
        pieces: u32,
    },
    /// An event order.
    EventOrder {
        /// The event.
        event: String,
    },
}

impl Store {
    /// Takes the pieces from the stock and makes the order, or does neither.
    pub(crate) async fn buy(&self, form: &CheckoutForm, now: i64) -> Result<CheckoutResult, sqlx::Error> {
        let mut tx = self.begin().await?;
        let earlier = sqlx::query("SELECT id FROM sale WHERE form_key = $1")
            .bind(&form.form_key)
            .fetch_optional(&mut *tx)
            .await?;
        if let Some(row) = earlier {
            return Ok(CheckoutResult::Order(order_no(row.try_get("id")?)));
        }
        let updated = sqlx::query(
            "UPDATE product SET stock = stock - $2, sold = sold + $2 WHERE id = $1 AND stock >= $2",
        )
        .bind(form.product)
        .bind(form.pieces)
        .execute(&mut *tx)
        .await?;
        if updated.rows_affected() == 0 {
            return Ok(CheckoutResult::SoldOut);
        }
        let row = sqlx::query(
            "INSERT INTO sale (form_key, product, pieces, at) VALUES ($1, $2, $3, $4) RETURNING id",
        )
        .bind(&form.form_key)
        .bind(form.product)
        .bind(form.pieces)
        .bind(now)
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(CheckoutResult::Order(order_no(row.try_get("id")?)))
    }

    /// Finds an order by number: a regular one, or a live one of an event.
    pub(crate) async fn placed_order(&self, order_no: &str) -> Result<Option<PlacedOrder>, sqlx::Error> {
        let Some((kind, id)) = order_no.split_once('-') else { return Ok(None) };
        let Ok(id) = id.parse::<i64>() else { return Ok(None) };
        match kind {
            "R" => {
                let row = sqlx::query("SELECT product, pieces FROM sale WHERE id = $1")
                    .bind(id)
                    .fetch_optional(&self.read)
                    .await?;
                row.map(|row| {
                    Ok(PlacedOrder::Sale { product: row.try_get("product")?, pieces: row.try_get("pieces")? })
                })
                .transpose()
            }
            "E" => {
                let row = sqlx::query("SELECT event FROM reservation WHERE id = $1 AND live = 1")
                    .bind(id)
                    .fetch_optional(&self.read)
                    .await?;
                row.map(|row| Ok(PlacedOrder::EventOrder { event: row.try_get("event")? })).transpose()
            }
            _ => Ok(None),
        }
    }
}

fn order_no(id: i64) -> String {
    format!("R-{id:06}")
}
