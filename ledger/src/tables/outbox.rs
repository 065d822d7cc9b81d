//! The outbox: domain events, written in the transaction of the decision that they report.

use domain::{AppKey, DomainEvent, DomainEventKind, EventId, Millis, Number};
use serde_json::{Map, Value, json};
use sqlx::any::AnyRow;

use crate::store::column::{int, maybe_int, maybe_parsed, parsed, text};
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::store::transaction::Tx;

/// A domain event about one application, before it is written.
pub(crate) struct ApplicationFact<'a> {
    pub(crate) event: &'a EventId,
    pub(crate) app_key: AppKey,
    pub(crate) number: Number,
    /// The application's fence after the decision.
    pub(crate) version: i64,
    pub(crate) kind: DomainEventKind,
    /// The fields besides those that every domain event has.
    pub(crate) fields: Value,
}

impl ApplicationFact<'_> {
    fn data(&self, now: Millis) -> String {
        let own = json!({ "guid": self.app_key.guid(), "number": self.number });
        data(self.event, self.version, now, [own, self.fields.clone()])
    }
}

/// Writes a domain event about an application. Its time is not before that of the application's last one, even if the clock was set
/// back.
pub(crate) async fn post(tx: &mut Tx, fact: &ApplicationFact<'_>, now: Millis) -> Result<(), Error> {
    if !tx.kinds.contains(fact.kind) {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO outbox (event, app_key, version, type, at, data)
         SELECT $1, $2, $3, $4, CASE WHEN last.at > $5 THEN last.at ELSE $5 END, $6
         FROM (SELECT COALESCE(MAX(at), 0) AS at FROM outbox WHERE event = $1 AND app_key = $2) AS last",
    )
    .bind(fact.event.as_str())
    .bind(fact.app_key.to_string())
    .bind(fact.version)
    .bind(fact.kind.as_str())
    .bind(now)
    .bind(fact.data(now))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Writes the first domain events of applications that have none yet.
pub(crate) async fn post_first(tx: &mut Tx, facts: &[ApplicationFact<'_>], now: Millis) -> Result<(), Error> {
    let Some(first) = facts.first().filter(|first| tx.kinds.contains(first.kind)) else { return Ok(()) };
    let json = |fact: &ApplicationFact<'_>| json!({ "key": fact.app_key.to_string(), "version": fact.version, "data": fact.data(now) });
    sqlx::query(
        "INSERT INTO outbox (event, app_key, version, type, at, data)
         SELECT $1, value ->> 'key', CAST(value ->> 'version' AS BIGINT), $3, $4, value ->> 'data' FROM json_each($2) AS one",
    )
    .bind(first.event.as_str())
    .bind(json!(facts.iter().map(json).collect::<Vec<_>>()).to_string())
    .bind(first.kind.as_str())
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Writes a domain event about an event as a whole, which is locked, under the event's next version.
pub(crate) async fn post_event(
    tx: &mut Tx,
    event: &EventId,
    kind: DomainEventKind,
    fields: Value,
    now: Millis,
) -> Result<(), Error> {
    if !tx.kinds.contains(kind) {
        return Ok(());
    }
    let row = sqlx::query("UPDATE event SET version = version + 1 WHERE id = $1 RETURNING version")
        .bind(event.as_str())
        .fetch_one(&mut **tx)
        .await?;
    let version = int(&row, "version")?;
    sqlx::query(
        "INSERT INTO outbox (event, app_key, version, type, at, data)
         SELECT $1, '', $2, $3, CASE WHEN last.at > $4 THEN last.at ELSE $4 END, $5
         FROM (SELECT COALESCE(MAX(at), 0) AS at FROM outbox WHERE event = $1 AND app_key = '') AS last",
    )
    .bind(event.as_str())
    .bind(version)
    .bind(kind.as_str())
    .bind(now)
    .bind(data(event, version, now, [fields]))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The data of a domain event: the fields of all of them, then its own.
fn data<const N: usize>(event: &EventId, version: i64, now: Millis, more: [Value; N]) -> String {
    let mut all = Map::new();
    for fields in [json!({ "event": event, "version": version, "at_ms": now })].into_iter().chain(more) {
        if let Value::Object(fields) = fields {
            all.extend(fields);
        }
    }
    Value::Object(all).to_string()
}

/// Reads a domain event.
pub(crate) fn from_row(event: &EventId, row: &AnyRow) -> Result<DomainEvent, Error> {
    let is_of_event = text(row, "app_key")?.is_empty();
    Ok(DomainEvent {
        event: event.clone(),
        app_key: if is_of_event { None } else { maybe_parsed(row, "app_key")? },
        version: int(row, "version")?,
        kind: parsed(row, "type")?,
        at: int(row, "at")?,
        seq: maybe_int(row, "seq")?,
        data: text(row, "data")?,
    })
}

impl Ledger {
    /// Returns all domain events of an event that are not deleted yet: first the numbered ones, in order.
    pub async fn domain_events(&self, event: &EventId) -> Result<Vec<DomainEvent>, Error> {
        let rows = sqlx::query(
            "SELECT * FROM outbox WHERE event = $1 ORDER BY seq IS NULL, seq, at, app_key, version",
        )
        .bind(event.as_str())
        .fetch_all(self.reader())
        .await?;
        rows.iter().map(|row| from_row(event, row)).collect()
    }
}
