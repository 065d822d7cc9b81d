//! What applicants write: applying, and asking to be taken out.

use domain::{AppKey, Millis, Number, Outcome, ReqHash};
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::held::Held;
use super::read;
use super::record::{Ending, Record};
use super::writer::Answer;
use crate::contract::{Applicant, Applied, InboxKind, PlaceRow, QueueState, Refused};

/// Gives the next number, or the one that the application already has.
pub(super) async fn apply(
    conn: &mut SqliteConnection,
    held: &mut Held,
    applicant: Applicant,
    now: Millis,
) -> Answer<Applied, Refused> {
    let (record, remembered) = match held.open() {
        Ok(open) => open,
        Err(refused) => return Ok(Err(refused)),
    };
    let (app_key, req_hash) = (applicant.app_key, applicant.req_hash);
    let went_back = remembered.acknowledged > record.seq;
    let next = if went_back { Err(Refused::Regressed) } else { record.next(now) };
    // Almost every applicant is new, so the insert is tried first, and the row read only if the key exists.
    if let Ok(number) = next
        && insert(conn, record.id, number, applicant).await?
    {
        record.seq = number.get();
        remembered.acknowledged = number.get();
        let (epoch, proven) = (record.epoch, req_hash != ReqHash::NONE);
        return Ok(Ok(Applied { number, epoch, mark: QueueState::Waiting, again: false, proven }));
    }
    if let Some(known) = known(conn, record, app_key, req_hash).await? {
        return Ok(Ok(known));
    }
    if went_back {
        remembered.armed = None;
    }
    next.err().map(Err).ok_or(sqlx::Error::RowNotFound)
}

async fn insert(
    conn: &mut SqliteConnection,
    queue: i64,
    number: Number,
    applicant: Applicant,
) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "INSERT INTO application (queue, number, app_key, mark, req_hash, contact) VALUES (?, ?, ?, 'W', ?, ?) \
         ON CONFLICT (queue, app_key) DO NOTHING",
    )
    .bind(queue)
    .bind(number.get())
    .bind(&applicant.app_key.0[..])
    .bind(&applicant.req_hash.0[..])
    .bind(applicant.contact)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

async fn known(
    conn: &mut SqliteConnection,
    record: &Record,
    app_key: AppKey,
    req_hash: ReqHash,
) -> sqlx::Result<Option<Applied>> {
    let row = sqlx::query("SELECT number, mark, req_hash FROM application WHERE queue = ? AND app_key = ?")
        .bind(record.id)
        .bind(&app_key.0[..])
        .fetch_optional(conn)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let stored = ReqHash(read::bytes(&row, "req_hash")?);
    Ok(Some(Applied {
        number: read::number(&row)?,
        epoch: record.epoch,
        mark: read::mark(row.try_get("mark")?)?,
        again: true,
        proven: req_hash.proves(stored),
    }))
}

/// Records the request once, and withdraws an application that was not processed yet. One that was processed may be in the ledger
/// already, so there only the ledger can take them out. A key under another number is not the application that is asked for.
pub(super) async fn ask(
    conn: &mut SqliteConnection,
    held: &mut Held,
    (app_key, number): (AppKey, Number),
    kind: InboxKind,
    now: Millis,
) -> Answer<Option<PlaceRow>, Refused> {
    let record = match held.open() {
        Ok((record, _)) => record,
        Err(refused) => return Ok(Err(refused)),
    };
    let place = read::place(conn, record, app_key).await?;
    let Some(mut place) = place.filter(|place| place.number == number) else { return Ok(Ok(None)) };
    let settled = matches!(record.ending, Ending::Settled { .. });
    if settled || place.mark == QueueState::Withdrawn {
        return Ok(Ok(Some(place)));
    }
    if place.mark == QueueState::Waiting && place.number.get() > record.admitted_through {
        withdraw(conn, record.id, place.number).await?;
        place.mark = QueueState::Withdrawn;
    }
    if place.shown.as_ref().is_none_or(|shown| shown.outcome == Outcome::Ordered) {
        write_down(conn, record, (app_key, place.number), kind, now).await?;
    }
    Ok(Ok(Some(place)))
}

/// Shows a receipt: who is not known is written into the inbox, unless the number is another's or was never given.
pub(super) async fn present(
    conn: &mut SqliteConnection,
    held: &mut Held,
    app_key: AppKey,
    number: Number,
    now: Millis,
) -> Answer<Option<PlaceRow>, Refused> {
    let record = match held.open() {
        Ok((record, _)) => record,
        Err(refused) => return Ok(Err(refused)),
    };
    let place = read::place(conn, record, app_key).await?;
    let given = number.get() <= record.seq && !matches!(record.ending, Ending::Settled { .. });
    if place.is_none() && given && read::number_of(conn, record, number).await?.is_none() {
        write_down(conn, record, (app_key, number), InboxKind::Present, now).await?;
    }
    Ok(Ok(place))
}

async fn withdraw(conn: &mut SqliteConnection, queue: i64, number: Number) -> sqlx::Result<()> {
    sqlx::query("UPDATE application SET mark = 'X', contact = NULL WHERE queue = ? AND number = ?")
        .bind(queue)
        .bind(number.get())
        .execute(conn)
        .await?;
    Ok(())
}

async fn write_down(
    conn: &mut SqliteConnection,
    record: &mut Record,
    (app_key, number): (AppKey, Number),
    kind: InboxKind,
    now: Millis,
) -> sqlx::Result<()> {
    // An epoch's ids lie above all ids of earlier ones, also of those that were lost with the file's last minutes.
    let id = record.inbox_last.max(i64::from(record.epoch.0) << 31) + 1;
    let done = sqlx::query(
        "INSERT INTO inbox (queue, id, number, kind, at, app_key) VALUES (?, ?, ?, ?, ?, ?) \
         ON CONFLICT (queue, number, kind) DO NOTHING",
    )
    .bind(record.id)
    .bind(id)
    .bind(number.get())
    .bind(kind_word(kind))
    .bind(now)
    .bind(&app_key.0[..])
    .execute(conn)
    .await?;
    if done.rows_affected() == 1 {
        record.inbox_last = id;
    }
    Ok(())
}

fn kind_word(kind: InboxKind) -> &'static str {
    match kind {
        InboxKind::Cancel => "cancel",
        InboxKind::Present => "present",
    }
}
