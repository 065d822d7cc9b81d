//! The leader's writes. Each carries the leader's fence, and a refused one changes nothing.

use domain::{AppKey, CalledWindow, EventId, Gaps, Millis, Number, ReqHash};
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::loaded_queue::LoadedQueue;
use super::queue_row::QueueRow;
use super::read;
use super::step::{Reply, StepError, report};
use crate::contract::{
    ArmRequest, ArmResult, Closing, Continuity, LeaderError, ProjectedOutcome, Projection, QueueState,
    RestoredApplication,
};

/// A write of the leader.
#[derive(Debug)]
pub(super) enum LeaderWrite {
    Arm(ArmRequest, Reply<ArmResult, LeaderError>),
    Project(Projection, Reply<(), LeaderError>),
    Admitted { through: u32, keys: Vec<AppKey>, ledger_changes: i64, reply: Reply<(), LeaderError> },
    Acknowledge { through: i64, ledger_changes: i64, reply: Reply<(), LeaderError> },
    Restore(Vec<RestoredApplication>, Reply<(), LeaderError>),
    ReplaceGaps(Gaps, Reply<(), LeaderError>),
    Settle(Reply<Closing, LeaderError>),
}

type StepResult<T> = Result<T, StepError<LeaderError>>;

/// Does the write within the transaction and reports its result.
pub(super) async fn carry_out(
    conn: &mut SqliteConnection,
    event: &EventId,
    queue: &mut LoadedQueue,
    fence: i64,
    write: LeaderWrite,
    now: Millis,
) -> sqlx::Result<()> {
    match write {
        LeaderWrite::Arm(request, reply) => report(reply, arm(conn, event, queue, fence, request, now).await),
        LeaderWrite::Project(projection, reply) => {
            report(reply, project(conn, queue, fence, projection, now).await)
        }
        LeaderWrite::Admitted { through, keys, ledger_changes, reply } => {
            note_ledger_changes(queue, fence, ledger_changes);
            report(reply, admitted(conn, queue, fence, through, &keys).await)
        }
        LeaderWrite::Acknowledge { through, ledger_changes, reply } => {
            note_ledger_changes(queue, fence, ledger_changes);
            report(reply, acknowledge(conn, queue, fence, through).await)
        }
        LeaderWrite::Restore(rows, reply) => report(reply, restore(conn, queue, fence, rows).await),
        LeaderWrite::ReplaceGaps(gaps, reply) => {
            report(reply, replace_gaps(queue, fence, gaps).map_err(StepError::Refused))
        }
        LeaderWrite::Settle(reply) => report(reply, settle(queue, fence, now).map_err(StepError::Refused)),
    }
}

/// The row for a write that may come before the queue is armed.
fn fenced(queue: &mut LoadedQueue, fence: i64) -> Result<&mut QueueRow, LeaderError> {
    let row = queue.row.as_mut().ok_or(LeaderError::UnknownEvent)?;
    if fence < row.fence {
        return Err(LeaderError::Fenced { current: row.fence });
    }
    row.fence = fence;
    Ok(row)
}

/// The row for a write to an armed queue.
fn fenced_and_armed(queue: &mut LoadedQueue, fence: i64) -> Result<&mut QueueRow, LeaderError> {
    match &queue.row {
        Some(row) if fence >= row.fence && !queue.is_armed() => Err(LeaderError::NotArmed),
        _ => fenced(queue, fence),
    }
}

async fn arm(
    conn: &mut SqliteConnection,
    event: &EventId,
    queue: &mut LoadedQueue,
    fence: i64,
    mut request: ArmRequest,
    now: Millis,
) -> StepResult<ArmResult> {
    let (is_new, was_armed) = (queue.row.is_none(), queue.is_armed());
    let regressed = queue.row.as_ref().is_some_and(|row| queue.armed.last_acknowledged > row.seq);
    let row = match &mut queue.row {
        Some(row) if fence < row.fence => return Err(LeaderError::Fenced { current: row.fence }.into()),
        Some(row) if request.epoch <= row.epoch => {
            return Err(LeaderError::EpochTooOld { current: row.epoch.0 }.into());
        }
        Some(row) => row,
        none => none.insert(QueueRow::create(conn, event, fence, &request).await?),
    };
    row.take_settings(request.rev, &request.settings, was_armed.then_some(now));
    if is_new {
        request.continuity = Continuity::Unknown;
    }
    row.note_arming(regressed || (is_new && request.number_limit > 0));
    let result = row.arm(&request, now);
    row.fence = fence;
    row.close_if_due(now);
    queue.armed.epoch = Some(request.epoch);
    Ok(result)
}

async fn project(
    conn: &mut SqliteConnection,
    queue: &mut LoadedQueue,
    fence: i64,
    projection: Projection,
    now: Millis,
) -> StepResult<()> {
    let is_armed = queue.is_armed();
    let row = fenced(queue, fence)?;
    row.project(fence, &projection, now, is_armed);
    for (number, window) in projection.called {
        write_called(conn, row.id, number, window).await?;
    }
    for (number, projected) in projection.outcomes {
        write_outcome(conn, row.id, number, projected).await?;
    }
    Ok(())
}

/// Writes the time of a called applicant. A confirmation stays, since the ledger may not have handled it yet.
async fn write_called(
    conn: &mut SqliteConnection,
    queue: i64,
    number: Number,
    window: CalledWindow,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO called (queue, number, until, extended, confirmed) VALUES (?, ?, ?, ?, ?) \
         ON CONFLICT (queue, number) DO UPDATE SET until = excluded.until, extended = excluded.extended, \
         confirmed = max(confirmed, excluded.confirmed)",
    )
    .bind(queue)
    .bind(number.get())
    .bind(window.until)
    .bind(window.extended)
    .bind(window.confirmed)
    .execute(conn)
    .await?;
    Ok(())
}

async fn write_outcome(
    conn: &mut SqliteConnection,
    queue: i64,
    number: Number,
    projected: ProjectedOutcome,
) -> sqlx::Result<()> {
    let before: Option<String> =
        sqlx::query_scalar("SELECT outcome FROM outcome WHERE queue = ? AND number = ?")
            .bind(queue)
            .bind(number.get())
            .fetch_optional(&mut *conn)
            .await?;
    if let Some(before) = before
        && !read::outcome(&before)?.may_become(projected.outcome)
    {
        return Ok(());
    }
    sqlx::query("INSERT OR REPLACE INTO outcome (queue, number, outcome, order_no) VALUES (?, ?, ?, ?)")
        .bind(queue)
        .bind(number.get())
        .bind(projected.outcome.as_str())
        .bind(projected.order_no)
        .execute(conn)
        .await?;
    Ok(())
}

async fn admitted(
    conn: &mut SqliteConnection,
    queue: &mut LoadedQueue,
    fence: i64,
    through: u32,
    keys: &[AppKey],
) -> StepResult<()> {
    let row = fenced_and_armed(queue, fence)?;
    for key in keys {
        let done = sqlx::query(
            "UPDATE application SET state = 'A', contact = NULL WHERE queue = ? AND app_key = ? AND state = 'W'",
        )
        .bind(row.id)
        .bind(&key.0[..])
        .execute(&mut *conn)
        .await?;
        row.waiting -= u32::from(done.rows_affected() == 1);
    }
    row.admitted_through = row.admitted_through.max(through.min(row.seq));
    Ok(())
}

/// Notes the ledger's count of changes, if the write that comes with it is allowed.
fn note_ledger_changes(queue: &mut LoadedQueue, fence: i64, ledger_changes: i64) {
    if let Ok(row) = fenced_and_armed(queue, fence) {
        row.ledger_changes = row.ledger_changes.max(ledger_changes);
    }
}

async fn acknowledge(
    conn: &mut SqliteConnection,
    queue: &mut LoadedQueue,
    fence: i64,
    through: i64,
) -> StepResult<()> {
    let row = fenced_and_armed(queue, fence)?;
    sqlx::query("DELETE FROM inbox WHERE queue = ? AND id <= ?")
        .bind(row.id)
        .bind(through)
        .execute(conn)
        .await?;
    Ok(())
}

fn replace_gaps(queue: &mut LoadedQueue, fence: i64, gaps: Gaps) -> Result<(), LeaderError> {
    fenced_and_armed(queue, fence)?.gaps = gaps;
    Ok(())
}

fn settle(queue: &mut LoadedQueue, fence: i64, now: Millis) -> Result<Closing, LeaderError> {
    let row = fenced_and_armed(queue, fence)?;
    Ok(row.close(now.min(row.settings.closes_at)))
}

async fn restore(
    conn: &mut SqliteConnection,
    queue: &mut LoadedQueue,
    fence: i64,
    rows: Vec<RestoredApplication>,
) -> StepResult<()> {
    let queue = fenced(queue, fence)?;
    let mut conflicts = 0;
    for row in rows {
        let number = row.number;
        if restore_one(conn, queue, row).await? {
            queue.include(number);
        } else {
            conflicts += 1;
        }
    }
    if conflicts == 0 { Ok(()) } else { Err(LeaderError::Conflicts(conflicts).into()) }
}

/// Restores one application. Returns `false` if the queue has its key under another number or its number under another key.
async fn restore_one(
    conn: &mut SqliteConnection,
    queue: &mut QueueRow,
    row: RestoredApplication,
) -> sqlx::Result<bool> {
    let existing = sqlx::query("SELECT number FROM application WHERE queue = ? AND app_key = ?")
        .bind(queue.id)
        .bind(&row.app_key.0[..])
        .fetch_optional(&mut *conn)
        .await?;
    match existing {
        Some(existing) if existing.try_get::<u32, _>("number")? != row.number.get() => Ok(false),
        Some(_) if row.state == QueueState::Admitted => {
            let done = sqlx::query(
                "UPDATE application SET state = 'A', contact = NULL WHERE queue = ? AND number = ? AND state = 'W'",
            )
            .bind(queue.id)
            .bind(row.number.get())
            .execute(&mut *conn)
            .await?;
            queue.waiting -= u32::from(done.rows_affected() == 1);
            complete(conn, queue.id, row).await
        }
        Some(_) => complete(conn, queue.id, row).await,
        None => {
            let waits = row.state == QueueState::Waiting;
            let is_new = insert(conn, queue.id, row).await?;
            queue.waiting += u32::from(is_new && waits);
            Ok(is_new)
        }
    }
}

/// Adds what an application lacks that was restored from its receipt, which has neither secret nor contact; only a waiting one needs
/// its contact.
async fn complete(conn: &mut SqliteConnection, queue: i64, row: RestoredApplication) -> sqlx::Result<bool> {
    sqlx::query(
        "UPDATE application SET req_hash = CASE WHEN req_hash = ?3 THEN ?4 ELSE req_hash END, \
         contact = CASE WHEN state <> 'W' OR length(contact) > 0 THEN contact ELSE ?5 END WHERE queue = ?1 AND number = ?2",
    )
    .bind(queue)
    .bind(row.number.get())
    .bind(&ReqHash::NONE.0[..])
    .bind(&row.req_hash.0[..])
    .bind(row.contact)
    .execute(conn)
    .await?;
    Ok(true)
}

async fn insert(conn: &mut SqliteConnection, queue: i64, row: RestoredApplication) -> sqlx::Result<bool> {
    // Only admission needs the contact.
    let contact = (row.state == QueueState::Waiting).then_some(row.contact);
    let done = sqlx::query(
        "INSERT INTO application (queue, number, app_key, state, req_hash, contact) VALUES (?, ?, ?, ?, ?, ?) \
         ON CONFLICT (queue, number) DO NOTHING",
    )
    .bind(queue)
    .bind(row.number.get())
    .bind(&row.app_key.0[..])
    .bind(letter(row.state))
    .bind(&row.req_hash.0[..])
    .bind(contact)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

fn letter(state: QueueState) -> &'static str {
    match state {
        QueueState::Waiting => "W",
        QueueState::Admitted => "A",
        QueueState::Withdrawn => "X",
    }
}
