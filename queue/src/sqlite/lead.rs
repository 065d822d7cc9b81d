//! What the leader writes. Every write carries the leader's fence; one that is refused leaves nothing.

use domain::{AppKey, EventId, Millis, Number};
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::held::Held;
use super::read;
use super::record::Record;
use super::writer::Answer;
use crate::contract::{Armed, Arming, LeadError, Projection, QueueState, Restored, Shown};
use crate::lead::{Lead, Led};

/// Carries out a leader's write.
pub(super) async fn lead(
    conn: &mut SqliteConnection,
    (event, held): (&EventId, &mut Held),
    fence: i64,
    lead: Lead,
    now: Millis,
) -> Answer<Led, LeadError> {
    if let Lead::Arm(arming) = lead {
        return Ok(arm(conn, (event, held), fence, &arming, now).await?.map(Led::Armed));
    }
    let armed = held.armed();
    let Some(record) = &mut held.record else { return Ok(Err(LeadError::UnknownEvent)) };
    if fence < record.fence {
        return Ok(Err(LeadError::Fenced(record.fence)));
    }
    if !armed && !lead.needs_no_arming() {
        return Ok(Err(LeadError::NotArmed));
    }
    record.fence = fence;
    match lead {
        Lead::Project(projection) => project(conn, record, fence, projection, now).await?,
        Lead::Admitted { through, keys } => admitted(conn, record, through, &keys).await?,
        Lead::Acknowledge { through } => acknowledge(conn, record, through).await?,
        Lead::Restore(rows) => return restore(conn, record, rows).await,
        Lead::Settle | Lead::Arm(_) => {
            return Ok(Ok(Led::Closed(record.close(now.min(record.settings.closes_at)))));
        }
    }
    Ok(Ok(Led::Written))
}

async fn arm(
    conn: &mut SqliteConnection,
    (event, held): (&EventId, &mut Held),
    fence: i64,
    arming: &Arming,
    now: Millis,
) -> Answer<Armed, LeadError> {
    let made_anew = held.record.is_none();
    match &held.record {
        None => held.record = Some(Record::create(conn, event, fence, arming).await?),
        Some(record) if fence < record.fence => return Ok(Err(LeadError::Fenced(record.fence))),
        Some(record) if arming.epoch <= record.epoch => {
            return Ok(Err(LeadError::OldEpoch(record.epoch.0)));
        }
        Some(_) => {}
    }
    let record = held.record.as_mut().ok_or(sqlx::Error::RowNotFound)?;
    let arming = Arming { unopened: arming.unopened && !made_anew, ..arming.clone() };
    let mut armed = record.arm(&arming, now);
    armed.forgot = made_anew && armed.skipped > 0;
    record.fence = fence;
    record.close_if_due(now);
    held.remembered.armed = Some(arming.epoch);
    Ok(Ok(armed))
}

async fn project(
    conn: &mut SqliteConnection,
    record: &mut Record,
    fence: i64,
    projection: Projection,
    now: Millis,
) -> sqlx::Result<()> {
    record.project(fence, &projection, now);
    for (number, shown) in projection.outcomes {
        show(conn, record.id, number, shown).await?;
    }
    Ok(())
}

async fn show(conn: &mut SqliteConnection, queue: i64, number: Number, shown: Shown) -> sqlx::Result<()> {
    let before: Option<String> =
        sqlx::query_scalar("SELECT outcome FROM shown WHERE queue = ? AND number = ?")
            .bind(queue)
            .bind(number.get())
            .fetch_optional(&mut *conn)
            .await?;
    if let Some(before) = before
        && !read::outcome(&before)?.may_become(shown.outcome)
    {
        return Ok(());
    }
    sqlx::query("INSERT OR REPLACE INTO shown (queue, number, outcome, order_no) VALUES (?, ?, ?, ?)")
        .bind(queue)
        .bind(number.get())
        .bind(shown.outcome.as_str())
        .bind(shown.order_no)
        .execute(conn)
        .await?;
    Ok(())
}

async fn admitted(
    conn: &mut SqliteConnection,
    record: &mut Record,
    through: u32,
    keys: &[AppKey],
) -> sqlx::Result<()> {
    for key in keys {
        sqlx::query(
            "UPDATE application SET mark = 'A', contact = NULL WHERE queue = ? AND app_key = ? AND mark = 'W'",
        )
        .bind(record.id)
        .bind(&key.0[..])
        .execute(&mut *conn)
        .await?;
    }
    record.admitted_through = record.admitted_through.max(through.min(record.seq));
    Ok(())
}

async fn acknowledge(conn: &mut SqliteConnection, record: &Record, through: i64) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM inbox WHERE queue = ? AND id <= ?")
        .bind(record.id)
        .bind(through)
        .execute(conn)
        .await?;
    Ok(())
}

async fn restore(
    conn: &mut SqliteConnection,
    record: &mut Record,
    rows: Vec<Restored>,
) -> Answer<Led, LeadError> {
    let mut conflicts = 0;
    for row in rows {
        let number = row.number;
        if restore_one(conn, record.id, row).await? {
            record.reach(number);
        } else {
            conflicts += 1;
        }
    }
    Ok(if conflicts == 0 { Ok(Led::Written) } else { Err(LeadError::Conflicts(conflicts)) })
}

/// Brings one application back; `false` if the queue has its key under another number or its number under another key.
async fn restore_one(conn: &mut SqliteConnection, queue: i64, row: Restored) -> sqlx::Result<bool> {
    let known = sqlx::query("SELECT number FROM application WHERE queue = ? AND app_key = ?")
        .bind(queue)
        .bind(&row.app_key.0[..])
        .fetch_optional(&mut *conn)
        .await?;
    match known {
        Some(known) if known.try_get::<u32, _>("number")? != row.number.get() => Ok(false),
        Some(_) if row.mark == QueueState::Admitted => {
            sqlx::query(
                "UPDATE application SET mark = 'A', contact = NULL WHERE queue = ? AND number = ? AND mark = 'W'",
            )
            .bind(queue)
            .bind(row.number.get())
            .execute(conn)
            .await?;
            Ok(true)
        }
        Some(_) => Ok(true),
        None => insert(conn, queue, row).await,
    }
}

async fn insert(conn: &mut SqliteConnection, queue: i64, row: Restored) -> sqlx::Result<bool> {
    // The contact is needed for moving only.
    let contact = (row.mark == QueueState::Waiting).then_some(row.contact);
    let done = sqlx::query(
        "INSERT INTO application (queue, number, app_key, mark, req_hash, contact) VALUES (?, ?, ?, ?, ?, ?) \
         ON CONFLICT (queue, number) DO NOTHING",
    )
    .bind(queue)
    .bind(row.number.get())
    .bind(&row.app_key.0[..])
    .bind(letter(row.mark))
    .bind(&row.req_hash.0[..])
    .bind(contact)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

fn letter(mark: QueueState) -> &'static str {
    match mark {
        QueueState::Waiting => "W",
        QueueState::Admitted => "A",
        QueueState::Withdrawn => "X",
    }
}
