//! Event orders under the contract of docs/order-service.md: one order and one order number per key, and tombstones.

use std::fmt::Write as _;

use sqlx::Row as _;

use crate::store::Store;

/// Rows per read of the list.
const PAGE: i64 = 1000;

/// The key of an event order: `{event}:{key}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OrderId {
    /// The event.
    pub(crate) event: String,
    /// The application's key, 32 hexadecimal digits.
    pub(crate) key: String,
}

/// The applicant of an order.
#[derive(Debug)]
pub(crate) struct OrderApplicant {
    /// The place in the queue.
    pub(crate) number: u32,
    /// The application's GUID.
    pub(crate) guid: String,
    /// Unknown for an application that was restored from a receipt.
    pub(crate) name: Option<String>,
    /// Unknown for an application that was restored from a receipt.
    pub(crate) phone: Option<String>,
}

/// The result of a `PUT`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PutResult {
    /// The order exists.
    Made {
        /// The order number, the same each time.
        order_no: String,
        /// Whether this call made it.
        new: bool,
    },
    /// The order was deleted; its key makes no order any more.
    Deleted,
    /// The event has as many orders as allowed.
    SoldOut,
}

impl OrderId {
    /// Parses `{event}:{key}`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (event, key) = text.split_once(':')?;
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let fits = is_event_id(event) && key.len() == 32 && key.bytes().all(hex);
        fits.then(|| Self { event: event.to_owned(), key: key.to_owned() })
    }
}

/// Whether the text is an event id: `[a-z0-9][a-z0-9-]{0,39}`.
pub(crate) fn is_event_id(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (1..=40).contains(&text.len()) && text.bytes().all(|b| plain(b) || b == b'-') && !text.starts_with('-')
}

impl Store {
    /// Makes the order, or finds it made or deleted.
    pub(crate) async fn put(
        &self,
        order: &OrderId,
        applicant: &OrderApplicant,
        orders_max: u32,
        now: i64,
    ) -> Result<PutResult, sqlx::Error> {
        let mut tx = self.begin().await?;
        let found = sqlx::query("SELECT id, live FROM reservation WHERE event = $1 AND app_key = $2")
            .bind(&order.event)
            .bind(&order.key)
            .fetch_optional(&mut *tx)
            .await?;
        if let Some(row) = found {
            let (id, live): (i64, bool) = (row.try_get("id")?, row.try_get("live")?);
            return Ok(if live {
                PutResult::Made { order_no: order_no(id), new: false }
            } else {
                PutResult::Deleted
            });
        }
        let live = sqlx::query("SELECT COUNT(*) AS n FROM reservation WHERE event = $1 AND live = 1")
            .bind(&order.event)
            .fetch_one(&mut *tx)
            .await?;
        if live.try_get::<i64, _>("n")? >= i64::from(orders_max) {
            return Ok(PutResult::SoldOut);
        }
        let row = sqlx::query(
            "INSERT INTO reservation (event, app_key, live, number, guid, name, phone, at)
             VALUES ($1, $2, 1, $3, $4, $5, $6, $7) RETURNING id",
        )
        .bind(&order.event)
        .bind(&order.key)
        .bind(applicant.number)
        .bind(&applicant.guid)
        .bind(&applicant.name)
        .bind(&applicant.phone)
        .bind(now)
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(PutResult::Made { order_no: order_no(row.try_get("id")?), new: true })
    }

    /// Deletes the order and leaves a tombstone, even if the order never existed. A tombstone holds no personal data.
    pub(crate) async fn delete(&self, order: &OrderId, now: i64) -> Result<(), sqlx::Error> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO reservation (event, app_key, live, at) VALUES ($1, $2, 0, $3)
             ON CONFLICT (event, app_key) DO UPDATE SET live = 0, name = NULL, phone = NULL",
        )
        .bind(&order.event)
        .bind(&order.key)
        .bind(now)
        .execute(&mut *tx)
        .await?;
        tx.commit().await
    }

    /// The next live orders of an event after this row id, as lines of `event:key order-number`, with the last row id.
    pub(crate) async fn live_after(
        &self,
        event: &str,
        after: i64,
    ) -> Result<Option<(String, i64)>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT id, app_key FROM reservation WHERE event = $1 AND live = 1 AND id > $2 ORDER BY id LIMIT $3",
        )
        .bind(event)
        .bind(after)
        .bind(PAGE)
        .fetch_all(&self.read)
        .await?;
        let mut lines = String::new();
        let mut last = after;
        for row in &rows {
            last = row.try_get("id")?;
            let key: String = row.try_get("app_key")?;
            let _ = writeln!(lines, "{event}:{key} {}", order_no(last));
        }
        Ok((!rows.is_empty()).then_some((lines, last)))
    }
}

fn order_no(id: i64) -> String {
    format!("E-{id:06}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_id_is_an_event_and_32_lowercase_hex_digits() {
        let key = "0123456789abcdef0123456789abcdef";
        assert!(OrderId::parse(&format!("spring:{key}")).is_some());
        for bad in [
            "",
            ":",
            "spring",
            "spring:",
            &format!(":{key}"),
            &format!("Spring:{key}"),
            &format!("-a:{key}"),
            &format!("spring:{}", &key[1..]),
            &format!("spring:{key}0"),
            &format!("spring:{}", key.to_uppercase()),
            &format!("spring:a:{}", &key[2..]),
            &format!("봄:{key}"),
            &format!("{}:{key}", "a".repeat(41)),
        ] {
            assert_eq!(OrderId::parse(bad), None, "{bad}");
        }
    }
}
