//! A regular checkout: stock and order in one transaction, once for each form, however often it is sent.

use sqlx::Row as _;

use crate::store::Store;

/// What somebody wants to buy.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// The product.
    pub(crate) product: i64,
    /// How many of it.
    pub(crate) pieces: u32,
    /// The form's hidden key.
    pub(crate) form_key: String,
}

/// How a checkout ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Bought {
    /// With this order, now or when the same form came before.
    Order(String),
    /// Fewer are left than were wanted.
    SoldOut,
}

/// An order as its page tells it. It names nobody.
#[derive(Debug)]
pub(crate) enum Placed {
    /// A regular one.
    Sale {
        /// What was bought.
        product: i64,
        /// How many of it.
        pieces: u32,
    },
    /// One of an event.
    Reservation {
        /// The event.
        event: String,
    },
}

impl Store {
    /// Takes the pieces from the stock and makes the order, or neither.
    pub(crate) async fn buy(&self, wanted: &Wanted, now: i64) -> Result<Bought, sqlx::Error> {
        let mut tx = self.begin().await?;
        let before = sqlx::query("SELECT id FROM sale WHERE form_key = $1")
            .bind(&wanted.form_key)
            .fetch_optional(&mut *tx)
            .await?;
        if let Some(row) = before {
            return Ok(Bought::Order(order_no(row.try_get("id")?)));
        }
        let taken = sqlx::query(
            "UPDATE product SET stock = stock - $2, sold = sold + $2 WHERE id = $1 AND stock >= $2",
        )
        .bind(wanted.product)
        .bind(wanted.pieces)
        .execute(&mut *tx)
        .await?;
        if taken.rows_affected() == 0 {
            return Ok(Bought::SoldOut);
        }
        let row = sqlx::query(
            "INSERT INTO sale (form_key, product, pieces, at) VALUES ($1, $2, $3, $4) RETURNING id",
        )
        .bind(&wanted.form_key)
        .bind(wanted.product)
        .bind(wanted.pieces)
        .bind(now)
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Bought::Order(order_no(row.try_get("id")?)))
    }

    /// The order of that number, a regular one or a live one of an event.
    pub(crate) async fn placed(&self, order_no: &str) -> Result<Option<Placed>, sqlx::Error> {
        let Some((kind, id)) = order_no.split_once('-') else { return Ok(None) };
        let Ok(id) = id.parse::<i64>() else { return Ok(None) };
        match kind {
            "R" => {
                let row = sqlx::query("SELECT product, pieces FROM sale WHERE id = $1")
                    .bind(id)
                    .fetch_optional(&self.read)
                    .await?;
                row.map(|row| {
                    Ok(Placed::Sale { product: row.try_get("product")?, pieces: row.try_get("pieces")? })
                })
                .transpose()
            }
            "E" => {
                let row = sqlx::query("SELECT event FROM reservation WHERE id = $1 AND live = 1")
                    .bind(id)
                    .fetch_optional(&self.read)
                    .await?;
                row.map(|row| Ok(Placed::Reservation { event: row.try_get("event")? })).transpose()
            }
            _ => Ok(None),
        }
    }
}

fn order_no(id: i64) -> String {
    format!("R-{id:06}")
}
