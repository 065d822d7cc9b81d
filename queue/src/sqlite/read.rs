//! The reads of the queue. Each result comes from committed rows only.

use domain::{AppKey, CalledWindow, EventId, Millis, Number, Outcome, ReqHash};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::loaded_queue::LoadedQueue;
use super::queue_row::QueueRow;
use crate::contract::{
    BLOCK, ProjectedOutcome, QueueEntry, QueueError, QueueHead, QueueSnapshot, QueueState, WaitingApplication,
};
use crate::inbox::{InboxEntry, InboxKind};

/// Returns the queue of the event at this moment.
pub(super) fn snapshot(
    event: &EventId,
    queue: LoadedQueue,
    now: Millis,
) -> Result<QueueSnapshot, QueueError> {
    let armed = queue.is_armed();
    queue.listed()?;
    let row = queue.row.ok_or(QueueError::NotArmed)?;
    Ok(QueueSnapshot {
        event: event.clone(),
        epoch: row.epoch,
        armed,
        state: row.state(now),
        seq: row.seq,
        number_limit: row.number_limit,
        admitted_through: row.admitted_through,
        waiting: row.waiting,
        gaps: row.gaps,
        closed: row.closed,
        settings: row.settings,
        rev: row.rev,
        figures: row.figures,
        unjudged: row.unjudged,
        lost_epoch: row.lost_epoch,
        ledger_changes: row.ledger_changes,
        now,
    })
}

/// Returns the published events, in order.
pub(super) async fn catalogue(conn: &mut SqliteConnection) -> sqlx::Result<Vec<EventId>> {
    let names: Vec<String> =
        sqlx::query_scalar("SELECT event FROM catalogue ORDER BY event").fetch_all(conn).await?;
    names.into_iter().map(|name| name.parse().map_err(decode)).collect()
}

/// Returns the application with this key.
pub(super) async fn entry(
    conn: &mut SqliteConnection,
    queue: &QueueRow,
    app_key: AppKey,
) -> sqlx::Result<Option<QueueEntry>> {
    let row = sqlx::query(
        "SELECT a.number, a.state, a.app_key, a.cancel_requested, o.outcome, o.order_no, c.until, c.extended, c.confirmed \
         FROM application a LEFT JOIN outcome o ON o.queue = a.queue AND o.number = a.number \
         LEFT JOIN called c ON c.queue = a.queue AND c.number = a.number WHERE a.queue = ? AND a.app_key = ?",
    )
    .bind(queue.id)
    .bind(&app_key.0[..])
    .fetch_optional(conn)
    .await?;
    row.as_ref().map(|row| entry_from(row, queue)).transpose()
}

fn entry_from(row: &SqliteRow, queue: &QueueRow) -> sqlx::Result<QueueEntry> {
    let number = number(row)?;
    let state = queue_state(row.try_get("state")?)?;
    let sold_out = state == QueueState::Waiting && number.get() <= queue.sold_out_through();
    let outcome = match row.try_get::<Option<&str>, _>("outcome")? {
        Some(word) => Some(ProjectedOutcome { outcome: outcome(word)?, order_no: row.try_get("order_no")? }),
        None => sold_out.then_some(ProjectedOutcome { outcome: Outcome::SoldOut, order_no: None }),
    };
    let (app_key, cancel_requested) = (AppKey(bytes(row, "app_key")?), row.try_get("cancel_requested")?);
    let called = if outcome.is_none() { called_window(row)? } else { None };
    Ok(QueueEntry { number, app_key, state, outcome, called, cancel_requested })
}

fn called_window(row: &SqliteRow) -> sqlx::Result<Option<CalledWindow>> {
    let Some(until) = row.try_get("until")? else { return Ok(None) };
    Ok(Some(CalledWindow { until, extended: row.try_get("extended")?, confirmed: row.try_get("confirmed")? }))
}

/// Returns the head of the queue. Restored applications that wait at or below `admitted_through` have lower numbers than all
/// others, so the order of numbers is the whole order.
pub(super) async fn head(conn: &mut SqliteConnection, queue: &QueueRow, n: u32) -> sqlx::Result<QueueHead> {
    let admitted_through = queue.admitted_through;
    if n == 0 {
        return Ok(QueueHead { waiting: Vec::new(), through: admitted_through });
    }
    let from = next_occupied(conn, queue.id, admitted_through.saturating_add(1)).await?.unwrap_or(queue.seq);
    let horizon = queue.seq.min(from.saturating_add(BLOCK - 1));
    let rows = sqlx::query(
        "SELECT number, app_key, req_hash, contact FROM application \
         WHERE queue = ? AND state = 'W' AND number <= ? ORDER BY number LIMIT ?",
    )
    .bind(queue.id)
    .bind(horizon)
    .bind(n)
    .fetch_all(&mut *conn)
    .await?;
    let waiting = rows.iter().map(waiting_from).collect::<sqlx::Result<Vec<_>>>()?;
    let through = match waiting.last() {
        Some(last) if waiting.len() == n as usize => admitted_through.max(last.number.get()),
        _ => horizon,
    };
    Ok(QueueHead { waiting, through })
}

/// The first number from which on an application may wait: `number` itself if one waits in its block, otherwise the first number of
/// the next such block.
async fn next_occupied(conn: &mut SqliteConnection, queue: i64, number: u32) -> sqlx::Result<Option<u32>> {
    let block = (number - 1) / BLOCK * BLOCK;
    let first: Option<u32> = sqlx::query_scalar(
        "SELECT MIN(number) FROM application WHERE queue = ? AND state = 'W' AND number > ?",
    )
    .bind(queue)
    .bind(block)
    .fetch_one(conn)
    .await?;
    Ok(first.map(|first| number.max((first - 1) / BLOCK * BLOCK + 1)))
}

fn waiting_from(row: &SqliteRow) -> sqlx::Result<WaitingApplication> {
    Ok(WaitingApplication {
        number: number(row)?,
        app_key: AppKey(bytes(row, "app_key")?),
        req_hash: ReqHash(bytes(row, "req_hash")?),
        contact: row.try_get::<Option<Vec<u8>>, _>("contact")?.unwrap_or_default(),
    })
}

/// Returns the requests above `after`, in order.
pub(super) async fn inbox(
    conn: &mut SqliteConnection,
    queue: &QueueRow,
    after: i64,
    max: u32,
) -> sqlx::Result<Vec<InboxEntry>> {
    let rows = sqlx::query(
        "SELECT id, at, number, kind, app_key, order_no FROM inbox WHERE queue = ? AND id > ? ORDER BY id LIMIT ?",
    )
    .bind(queue.id)
    .bind(after)
    .bind(max)
    .fetch_all(conn)
    .await?;
    rows.iter().map(inbox_entry_from).collect()
}

fn inbox_entry_from(row: &SqliteRow) -> sqlx::Result<InboxEntry> {
    let word: &str = row.try_get("kind")?;
    let kind = InboxKind::parse(word).ok_or_else(|| decode(format!("unknown kind of request: {word:?}")))?;
    Ok(InboxEntry {
        id: row.try_get("id")?,
        at: row.try_get("at")?,
        app_key: AppKey(bytes(row, "app_key")?),
        number: number(row)?,
        kind,
        order_no: Some(row.try_get::<String, _>("order_no")?).filter(|order_no| !order_no.is_empty()),
    })
}

/// Returns the applications with a number above `after`, in order.
pub(super) async fn entries(
    conn: &mut SqliteConnection,
    queue: &QueueRow,
    after: u32,
    max: u32,
) -> sqlx::Result<Vec<QueueEntry>> {
    let rows = sqlx::query(
        "SELECT a.number, a.state, a.app_key, a.cancel_requested, o.outcome, o.order_no, c.until, c.extended, c.confirmed \
         FROM application a LEFT JOIN outcome o ON o.queue = a.queue AND o.number = a.number \
         LEFT JOIN called c ON c.queue = a.queue AND c.number = a.number \
         WHERE a.queue = ? AND a.number > ? ORDER BY a.number LIMIT ?",
    )
    .bind(queue.id)
    .bind(after)
    .bind(max)
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| entry_from(row, queue)).collect()
}

/// Returns the key of the application with this number.
pub(super) async fn app_key_of(
    conn: &mut SqliteConnection,
    queue: &QueueRow,
    number: Number,
) -> sqlx::Result<Option<AppKey>> {
    let row = sqlx::query("SELECT app_key FROM application WHERE queue = ? AND number = ?")
        .bind(queue.id)
        .bind(number.get())
        .fetch_optional(conn)
        .await?;
    row.map(|row| bytes(&row, "app_key").map(AppKey)).transpose()
}

/// The number in the row.
pub(super) fn number(row: &SqliteRow) -> sqlx::Result<Number> {
    Number::try_from(row.try_get::<i64, _>("number")?).map_err(decode)
}

/// The state of that letter.
pub(super) fn queue_state(letter: &str) -> sqlx::Result<QueueState> {
    match letter {
        "W" => Ok(QueueState::Waiting),
        "A" => Ok(QueueState::Admitted),
        "X" => Ok(QueueState::Withdrawn),
        other => Err(decode(format!("unknown state of an application: {other:?}"))),
    }
}

/// The outcome of that name.
pub(super) fn outcome(word: &str) -> sqlx::Result<Outcome> {
    Outcome::parse(word).ok_or_else(|| decode(format!("unknown outcome: {word:?}")))
}

/// A column of a fixed size.
pub(super) fn bytes<const N: usize>(row: &SqliteRow, column: &str) -> sqlx::Result<[u8; N]> {
    row.try_get::<&[u8], _>(column)?.try_into().map_err(decode)
}

fn decode(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}
