//! The writes of applicants: applications, cancel requests and presented receipts.

use domain::{AppKey, Millis, Number, Outcome, ReqHash};
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::loaded_queue::LoadedQueue;
use super::queue_row::{Ending, QueueRow};
use super::read;
use super::step::{Reply, StepError, report};
use crate::contract::{Applicant, ApplyAck, QueueEntry, QueueError, QueueState};
use crate::inbox::{CalledReply, CalledRequest, InboxKind, ShopReport};

/// A write of an applicant.
#[derive(Debug)]
pub(super) enum ApplicantWrite {
    Apply(Applicant, Reply<ApplyAck, QueueError>),
    Cancel(AppKey, Number, Reply<Option<QueueEntry>, QueueError>),
    RequestCalled(AppKey, Number, CalledRequest, Reply<Option<CalledReply>, QueueError>),
    Report(AppKey, Number, ShopReport, Reply<Option<QueueEntry>, QueueError>),
    PresentReceipt(AppKey, Number, Reply<Option<QueueEntry>, QueueError>),
}

/// Does the write within the transaction and reports its result.
pub(super) async fn carry_out(
    conn: &mut SqliteConnection,
    queue: &mut LoadedQueue,
    write: ApplicantWrite,
    now: Millis,
) -> sqlx::Result<()> {
    match write {
        ApplicantWrite::Apply(applicant, reply) => report(reply, apply(conn, queue, applicant, now).await),
        ApplicantWrite::Cancel(app_key, number, reply) => {
            report(reply, cancel(conn, queue, app_key, number, now).await)
        }
        ApplicantWrite::RequestCalled(app_key, number, request, reply) => {
            report(reply, request_called(conn, queue, app_key, number, request, now).await)
        }
        ApplicantWrite::Report(app_key, number, shop_report, reply) => {
            report(reply, report_result(conn, queue, app_key, number, &shop_report, now).await)
        }
        ApplicantWrite::PresentReceipt(app_key, number, reply) => {
            report(reply, present_receipt(conn, queue, app_key, number, now).await)
        }
    }
}

/// Gives the next number, or returns the one that the application already has.
async fn apply(
    conn: &mut SqliteConnection,
    queue: &mut LoadedQueue,
    applicant: Applicant,
    now: Millis,
) -> Result<ApplyAck, StepError<QueueError>> {
    let (row, armed) = queue.open()?;
    let Applicant { app_key, req_hash, .. } = applicant;
    let regressed = armed.last_acknowledged > row.seq;
    let next = if regressed { Err(QueueError::Regressed) } else { row.next_number(now) };
    // Almost every applicant is new, so the insert is tried first, and the row is read only if the key exists.
    if let Ok(number) = next
        && insert(conn, row.id, number, applicant).await?
    {
        row.seq = number.get();
        row.waiting += 1;
        armed.last_acknowledged = number.get();
        return Ok(ApplyAck {
            number,
            epoch: row.epoch,
            state: QueueState::Waiting,
            already_applied: false,
            proven: req_hash != ReqHash::NONE,
        });
    }
    if let Some(ack) = existing(conn, row, app_key, req_hash).await? {
        return Ok(ack);
    }
    if regressed {
        armed.epoch = None;
    }
    // Without a refusal the insert found the key, so the row exists: otherwise the file is inconsistent.
    Err(next.err().map_or(StepError::Database(sqlx::Error::RowNotFound), StepError::Refused))
}

async fn insert(
    conn: &mut SqliteConnection,
    queue: i64,
    number: Number,
    applicant: Applicant,
) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "INSERT INTO application (queue, number, app_key, state, req_hash, contact) VALUES (?, ?, ?, 'W', ?, ?) \
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

async fn existing(
    conn: &mut SqliteConnection,
    queue: &QueueRow,
    app_key: AppKey,
    req_hash: ReqHash,
) -> sqlx::Result<Option<ApplyAck>> {
    let row = sqlx::query("SELECT number, state, req_hash FROM application WHERE queue = ? AND app_key = ?")
        .bind(queue.id)
        .bind(&app_key.0[..])
        .fetch_optional(conn)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let stored = ReqHash(read::bytes(&row, "req_hash")?);
    Ok(Some(ApplyAck {
        number: read::number(&row)?,
        epoch: queue.epoch,
        state: read::queue_state(row.try_get("state")?)?,
        already_applied: true,
        proven: req_hash.proves(stored),
    }))
}

/// Cancels an application, and returns it; `None` if the key has another number or no application. Withdraws a waiting application
/// whose number is above `admitted_through`. One at or below it may be in the ledger already, so only the ledger can cancel it. Writes
/// the cancel request into the inbox, once, if the application has no outcome or is ordered. A withdrawn application and those of a
/// settled event stay as they are.
async fn cancel(
    conn: &mut SqliteConnection,
    queue: &mut LoadedQueue,
    app_key: AppKey,
    number: Number,
    now: Millis,
) -> Result<Option<QueueEntry>, StepError<QueueError>> {
    let (row, _) = queue.open()?;
    let entry = read::entry(conn, row, app_key).await?;
    let Some(mut entry) = entry.filter(|entry| entry.number == number) else { return Ok(None) };
    let settled = matches!(row.ending, Ending::Settled { .. });
    if settled || entry.state == QueueState::Withdrawn {
        return Ok(Some(entry));
    }
    if entry.state == QueueState::Waiting && number.get() > row.admitted_through {
        withdraw(conn, row.id, number).await?;
        row.waiting -= 1;
        entry.state = QueueState::Withdrawn;
    }
    if entry.outcome.as_ref().is_none_or(|projected| projected.outcome == Outcome::Ordered) {
        post_to_inbox(conn, row, &NewRequest::of(app_key, number, InboxKind::Cancel), now).await?;
        note_cancel(conn, row.id, number).await?;
        entry.cancel_requested = true;
    }
    Ok(Some(entry))
}

/// Writes the request of a called applicant into the inbox, once, unless the applicant's time is over, or the applicant is not called,
/// has confirmed or requested to cancel.
async fn request_called(
    conn: &mut SqliteConnection,
    queue: &mut LoadedQueue,
    app_key: AppKey,
    number: Number,
    request: CalledRequest,
    now: Millis,
) -> Result<Option<CalledReply>, StepError<QueueError>> {
    let (row, _) = queue.open()?;
    let entry = read::entry(conn, row, app_key).await?;
    let Some(mut entry) = entry.filter(|entry| entry.number == number) else { return Ok(None) };
    let Some(window) = &mut entry.called else {
        return Ok(Some(CalledReply { entry, accepted: false, now }));
    };
    let is_repeated = match request {
        CalledRequest::Confirm => window.confirmed,
        CalledRequest::Extend => {
            !window.confirmed && (window.extended || more_time_was_requested(conn, row.id, number).await?)
        }
    };
    let accepted = is_repeated || (window.is_open(now) && !entry.cancel_requested);
    if accepted && !is_repeated {
        post_to_inbox(conn, row, &NewRequest::of(app_key, number, request.inbox_kind()), now).await?;
        note_called_request(conn, row.id, number, request).await?;
        window.confirmed |= request == CalledRequest::Confirm;
    }
    Ok(Some(CalledReply { entry, accepted, now }))
}

async fn more_time_was_requested(
    conn: &mut SqliteConnection,
    queue: i64,
    number: Number,
) -> sqlx::Result<bool> {
    sqlx::query_scalar("SELECT more_time_requested FROM called WHERE queue = ? AND number = ?")
        .bind(queue)
        .bind(number.get())
        .fetch_one(conn)
        .await
}

/// Keeps that the request was made, also after its entry of the inbox is handled.
async fn note_called_request(
    conn: &mut SqliteConnection,
    queue: i64,
    number: Number,
    request: CalledRequest,
) -> sqlx::Result<()> {
    let statement = match request {
        CalledRequest::Confirm => "UPDATE called SET confirmed = 1 WHERE queue = ? AND number = ?",
        CalledRequest::Extend => "UPDATE called SET more_time_requested = 1 WHERE queue = ? AND number = ?",
    };
    sqlx::query(statement).bind(queue).bind(number.get()).execute(conn).await?;
    Ok(())
}

/// Writes the shop's report into the inbox, and returns the application.
async fn report_result(
    conn: &mut SqliteConnection,
    queue: &mut LoadedQueue,
    app_key: AppKey,
    number: Number,
    shop_report: &ShopReport,
    now: Millis,
) -> Result<Option<QueueEntry>, StepError<QueueError>> {
    let (row, _) = queue.open()?;
    let entry = read::entry(conn, row, app_key).await?;
    let Some(entry) = entry.filter(|entry| entry.number == number) else { return Ok(None) };
    let request =
        NewRequest { app_key, number, kind: shop_report.inbox_kind(), order_no: shop_report.order_no() };
    // A settled event has its outcomes for good.
    if !matches!(row.ending, Ending::Settled { .. }) {
        post_to_inbox(conn, row, &request, now).await?;
    }
    Ok(Some(entry))
}

/// Returns the application of the receipt. For a missing one, a request to restore it is written into the inbox, unless the event is
/// settled, or the number belongs to another application or was never given.
async fn present_receipt(
    conn: &mut SqliteConnection,
    queue: &mut LoadedQueue,
    app_key: AppKey,
    number: Number,
    now: Millis,
) -> Result<Option<QueueEntry>, StepError<QueueError>> {
    let (row, _) = queue.open()?;
    let entry = read::entry(conn, row, app_key).await?;
    let restorable = number.get() <= row.seq && !matches!(row.ending, Ending::Settled { .. });
    if entry.is_none() && restorable && read::app_key_of(conn, row, number).await?.is_none() {
        post_to_inbox(conn, row, &NewRequest::of(app_key, number, InboxKind::PresentReceipt), now).await?;
    }
    Ok(entry)
}

async fn withdraw(conn: &mut SqliteConnection, queue: i64, number: Number) -> sqlx::Result<()> {
    sqlx::query("UPDATE application SET state = 'X', contact = NULL WHERE queue = ? AND number = ?")
        .bind(queue)
        .bind(number.get())
        .execute(conn)
        .await?;
    Ok(())
}

/// Keeps that the cancel was requested, also after its entry of the inbox is handled.
async fn note_cancel(conn: &mut SqliteConnection, queue: i64, number: Number) -> sqlx::Result<()> {
    sqlx::query("UPDATE application SET cancel_requested = 1 WHERE queue = ? AND number = ?")
        .bind(queue)
        .bind(number.get())
        .execute(conn)
        .await?;
    Ok(())
}

/// A request to write into the inbox.
struct NewRequest<'a> {
    app_key: AppKey,
    number: Number,
    kind: InboxKind,
    order_no: &'a str,
}

impl NewRequest<'_> {
    /// A request of an applicant.
    fn of(app_key: AppKey, number: Number, kind: InboxKind) -> Self {
        Self { app_key, number, kind, order_no: "" }
    }
}

async fn post_to_inbox(
    conn: &mut SqliteConnection,
    queue: &mut QueueRow,
    request: &NewRequest<'_>,
    now: Millis,
) -> sqlx::Result<()> {
    // The ids of an epoch lie above all ids of earlier ones, including ids that were lost because an older copy of
    // the file was put back.
    let id = queue.inbox_last.max(i64::from(queue.epoch.0) << 31) + 1;
    let done = sqlx::query(
        "INSERT INTO inbox (queue, id, number, kind, at, app_key, order_no) VALUES (?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (queue, number, kind, order_no) DO NOTHING",
    )
    .bind(queue.id)
    .bind(id)
    .bind(request.number.get())
    .bind(request.kind.as_str())
    .bind(now)
    .bind(&request.app_key.0[..])
    .bind(request.order_no)
    .execute(conn)
    .await?;
    if done.rows_affected() == 1 {
        queue.inbox_last = id;
    }
    Ok(())
}
