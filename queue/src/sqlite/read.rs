//! What is read of the queue. Each answer comes from committed rows only.

use domain::{AppKey, EventId, Millis, Number, Outcome};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::held::Held;
use super::record::Record;
use crate::contract::{
    Entry, Head, InboxEntry, InboxKind, PlaceRow, QueueSnapshot, QueueState, Refused, Shown, Waiting,
};

/// As far as one look at the head goes: the block of the other store.
const LOOK_MAX: u32 = 4096;

/// The queue of the event now.
pub(super) fn view(event: &EventId, mut held: Held, now: Millis) -> Result<QueueSnapshot, Refused> {
    let armed = held.armed();
    held.listed()?;
    let record = held.record.ok_or(Refused::NotArmed)?;
    Ok(QueueSnapshot {
        event: event.clone(),
        epoch: record.epoch,
        armed,
        state: record.state(now),
        seq: record.seq,
        number_limit: record.number_limit,
        admitted_through: record.admitted_through,
        gaps: record.gaps,
        closed: record.closed,
        settings: record.settings,
        rev: record.rev,
        figures: record.figures,
        now,
    })
}

/// The published events, in order.
pub(super) async fn catalogue(conn: &mut SqliteConnection) -> sqlx::Result<Vec<EventId>> {
    let names: Vec<String> =
        sqlx::query_scalar("SELECT event FROM catalogue ORDER BY event").fetch_all(conn).await?;
    names.into_iter().map(|name| name.parse().map_err(decode)).collect()
}

/// One application.
pub(super) async fn place(
    conn: &mut SqliteConnection,
    record: &Record,
    app_key: AppKey,
) -> sqlx::Result<Option<PlaceRow>> {
    let row = sqlx::query(
        "SELECT a.number, a.mark, s.outcome, s.order_no FROM application a \
         LEFT JOIN shown s ON s.queue = a.queue AND s.number = a.number WHERE a.queue = ? AND a.app_key = ?",
    )
    .bind(record.id)
    .bind(&app_key.0[..])
    .fetch_optional(conn)
    .await?;
    row.as_ref().map(|row| place_from(row, record)).transpose()
}

fn place_from(row: &SqliteRow, record: &Record) -> sqlx::Result<PlaceRow> {
    let (number, mark) = (number(row)?, mark(row.try_get("mark")?)?);
    let sold_out = mark == QueueState::Waiting && number.get() <= record.sold_out_through();
    let shown = match row.try_get::<Option<&str>, _>("outcome")? {
        Some(word) => Some(Shown { outcome: outcome(word)?, order_no: row.try_get("order_no")? }),
        None => sold_out.then_some(Shown { outcome: Outcome::SoldOut, order_no: None }),
    };
    Ok(PlaceRow { number, mark, shown })
}

/// The head of the queue. Who was passed by has a lower number than all others, so number order is the whole order.
pub(super) async fn head(conn: &mut SqliteConnection, record: &Record, n: u32) -> sqlx::Result<Head> {
    let passed = record.admitted_through;
    if n == 0 {
        return Ok(Head { waiting: Vec::new(), through: passed });
    }
    let horizon = record.seq.min(passed.saturating_add(LOOK_MAX));
    let rows = sqlx::query(
        "SELECT number, app_key, contact FROM application \
         WHERE queue = ? AND mark = 'W' AND number <= ? ORDER BY number LIMIT ?",
    )
    .bind(record.id)
    .bind(horizon)
    .bind(n)
    .fetch_all(conn)
    .await?;
    let waiting = rows.iter().map(waiting_from).collect::<sqlx::Result<Vec<_>>>()?;
    let through = match waiting.last() {
        Some(last) if waiting.len() == n as usize => passed.max(last.number.get()),
        _ => horizon,
    };
    Ok(Head { waiting, through })
}

fn waiting_from(row: &SqliteRow) -> sqlx::Result<Waiting> {
    let contact = row.try_get::<Option<Vec<u8>>, _>("contact")?.unwrap_or_default();
    Ok(Waiting { number: number(row)?, app_key: AppKey(bytes(row, "app_key")?), contact })
}

/// The inbox above `after`, in order.
pub(super) async fn inbox(
    conn: &mut SqliteConnection,
    record: &Record,
    after: i64,
    max: u32,
) -> sqlx::Result<Vec<InboxEntry>> {
    let rows = sqlx::query(
        "SELECT id, at, number, kind, app_key FROM inbox WHERE queue = ? AND id > ? ORDER BY id LIMIT ?",
    )
    .bind(record.id)
    .bind(after)
    .bind(max)
    .fetch_all(conn)
    .await?;
    rows.iter().map(ask_from).collect()
}

fn ask_from(row: &SqliteRow) -> sqlx::Result<InboxEntry> {
    let kind = match row.try_get("kind")? {
        "cancel" => InboxKind::Cancel,
        "present" => InboxKind::Present,
        other => return Err(decode(format!("no kind of inbox entry is called {other:?}"))),
    };
    let (id, at) = (row.try_get("id")?, row.try_get("at")?);
    Ok(InboxEntry { id, at, app_key: AppKey(bytes(row, "app_key")?), number: number(row)?, kind })
}

/// All applications above `after`, in order.
pub(super) async fn entries(
    conn: &mut SqliteConnection,
    record: &Record,
    after: u32,
    max: u32,
) -> sqlx::Result<Vec<Entry>> {
    let rows = sqlx::query(
        "SELECT a.number, a.mark, a.app_key, s.outcome, s.order_no FROM application a \
         LEFT JOIN shown s ON s.queue = a.queue AND s.number = a.number \
         WHERE a.queue = ? AND a.number > ? ORDER BY a.number LIMIT ?",
    )
    .bind(record.id)
    .bind(after)
    .bind(max)
    .fetch_all(conn)
    .await?;
    let entry = |row| {
        let PlaceRow { number, mark, shown } = place_from(row, record)?;
        Ok(Entry { number, app_key: AppKey(bytes(row, "app_key")?), mark, shown })
    };
    rows.iter().map(entry).collect()
}

/// Who has the number.
pub(super) async fn number_of(
    conn: &mut SqliteConnection,
    record: &Record,
    number: Number,
) -> sqlx::Result<Option<AppKey>> {
    let row = sqlx::query("SELECT app_key FROM application WHERE queue = ? AND number = ?")
        .bind(record.id)
        .bind(number.get())
        .fetch_optional(conn)
        .await?;
    row.map(|row| bytes(&row, "app_key").map(AppKey)).transpose()
}

/// The row's number.
pub(super) fn number(row: &SqliteRow) -> sqlx::Result<Number> {
    Number::try_from(row.try_get::<i64, _>("number")?).map_err(decode)
}

/// The mark of that letter.
pub(super) fn mark(letter: &str) -> sqlx::Result<QueueState> {
    match letter {
        "W" => Ok(QueueState::Waiting),
        "A" => Ok(QueueState::Admitted),
        "X" => Ok(QueueState::Withdrawn),
        other => Err(decode(format!("no mark is called {other:?}"))),
    }
}

/// The outcome of that name.
pub(super) fn outcome(word: &str) -> sqlx::Result<Outcome> {
    Outcome::parse(word).ok_or_else(|| decode(format!("no outcome is called {word:?}")))
}

/// A column of a fixed size.
pub(super) fn bytes<const N: usize>(row: &SqliteRow, column: &str) -> sqlx::Result<[u8; N]> {
    row.try_get::<&[u8], _>(column)?.try_into().map_err(decode)
}

fn decode(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}
