//! The orders of events, kept by the rules of docs/order-service.md: one order for a key, one number, and tombstones.

use std::fmt::Write as _;

use sqlx::Row as _;

use crate::store::Store;

/// Rows that are read at once for the list.
const PAGE: i64 = 1000;

/// Which order: `{event}:{key}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OrderId {
    /// The event.
    pub(crate) event: String,
    /// The application's key, 32 hexadecimal digits.
    pub(crate) key: String,
}

/// Who it is for.
#[derive(Debug)]
pub(crate) struct Applicant {
    /// The place in the line.
    pub(crate) number: u32,
    /// The application's GUID.
    pub(crate) guid: String,
    /// Unknown for somebody who came back by receipt.
    pub(crate) name: Option<String>,
    /// Unknown for somebody who came back by receipt.
    pub(crate) phone: Option<String>,
}

/// How a `PUT` ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// The order is there.
    Made {
        /// Its number, the same each time.
        order_no: String,
        /// Whether it was made just now.
        new: bool,
    },
    /// It was taken back for good.
    Gone,
    /// The event has all the orders that it may have here.
    Full,
}

impl OrderId {
    /// Reads `{event}:{key}`; anything else names no order.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (event, key) = text.split_once(':')?;
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let fits = is_event(event) && key.len() == 32 && key.bytes().all(hex);
        fits.then(|| Self { event: event.to_owned(), key: key.to_owned() })
    }
}

/// Whether it is an event's id: `[a-z0-9][a-z0-9-]{0,39}`.
pub(crate) fn is_event(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (1..=40).contains(&text.len()) && text.bytes().all(|b| plain(b) || b == b'-') && !text.starts_with('-')
}

impl Store {
    /// Makes the order, or finds it made or taken back.
    pub(crate) async fn put(
        &self,
        order: &OrderId,
        who: &Applicant,
        orders_max: u32,
        now: i64,
    ) -> Result<Put, sqlx::Error> {
        let mut tx = self.begin().await?;
        let found = sqlx::query("SELECT id, live FROM reservation WHERE event = $1 AND app_key = $2")
            .bind(&order.event)
            .bind(&order.key)
            .fetch_optional(&mut *tx)
            .await?;
        if let Some(row) = found {
            let (id, live): (i64, bool) = (row.try_get("id")?, row.try_get("live")?);
            return Ok(if live { Put::Made { order_no: order_no(id), new: false } } else { Put::Gone });
        }
        let live = sqlx::query("SELECT COUNT(*) AS n FROM reservation WHERE event = $1 AND live = 1")
            .bind(&order.event)
            .fetch_one(&mut *tx)
            .await?;
        if live.try_get::<i64, _>("n")? >= i64::from(orders_max) {
            return Ok(Put::Full);
        }
        let row = sqlx::query(
            "INSERT INTO reservation (event, app_key, live, number, guid, name, phone, at)
             VALUES ($1, $2, 1, $3, $4, $5, $6, $7) RETURNING id",
        )
        .bind(&order.event)
        .bind(&order.key)
        .bind(who.number)
        .bind(&who.guid)
        .bind(&who.name)
        .bind(&who.phone)
        .bind(now)
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Put::Made { order_no: order_no(row.try_get("id")?), new: true })
    }

    /// Takes the order back and leaves a tombstone, even if there never was an order. The tombstone knows nobody's name.
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

    /// The next live orders of an event after a row, as lines of `event:key order-number`, and the last row of them.
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
        let (mut lines, mut last) = (String::new(), after);
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
    fn only_an_event_and_32_lowercase_hex_digits_name_an_order() {
        let key = "0123456789abcdef0123456789abcdef";
        assert!(OrderId::read(&format!("spring:{key}")).is_some());
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
            assert_eq!(OrderId::read(bad), None, "{bad}");
        }
    }
}
