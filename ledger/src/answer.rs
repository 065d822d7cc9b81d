//! What the order service answered, recorded: outcome, seat and domain event in one transaction, and only under the caller's fence.

use domain::application::Step;
use domain::{ApplicationState, Millis, Outcome};

use crate::inbox::start_undoing;
use crate::lease::{Call, CallKind};
use crate::ledger::{Ledger, LedgerError, Tx};
use crate::outbox::{self, DomainEvent};
use crate::read::{self, ApplicationRow};

/// Order calls without an answer after which an application is parked for an operator.
pub const ATTEMPTS_MAX: u32 = 50;

/// What the order service said to one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The order exists, under this order number.
    Made(String),
    /// A definite no to a PUT.
    No,
    /// A DELETE is done: there is no order, and a later PUT under this key makes none.
    Gone,
    /// Anything else, silence too: an order may exist. Try the same key again after this many milliseconds.
    Unknown {
        /// Not before.
        retry_in_ms: Millis,
    },
}

/// What came of recording it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// The application ended.
    Ended(Outcome),
    /// It goes on: to be tried again, or taken back first.
    GoesOn,
    /// Too many calls without an answer: it keeps its seat and waits for an operator.
    Parked,
    /// Somebody else decided meanwhile; the answer was not needed.
    Stale,
}

impl Ledger {
    /// Records the answer to a leased call.
    pub async fn record(&self, call: &Call, answer: &Answer) -> Result<Recorded, LedgerError> {
        let mut tx = self.begin().await?;
        let row = read::application(&mut tx, &call.event, call.app_key).await?;
        let Some(row) = row.filter(|row| row.fence == call.fence) else { return Ok(Recorded::Stale) };
        let now = self.now(&mut tx).await?;
        let recorded = match (step(call.kind, answer).and_then(|step| row.state.after(step)), answer) {
            (Some(ApplicationState::Ended(outcome)), Answer::Made(order_no)) => {
                end(&mut tx, &row, outcome, Some(order_no), now).await?;
                Recorded::Ended(outcome)
            }
            (Some(ApplicationState::Ended(outcome)), _) => {
                end(&mut tx, &row, outcome, None, now).await?;
                Recorded::Ended(outcome)
            }
            (Some(ApplicationState::Undoing { .. }), _) => {
                start_undoing(&mut tx, &row, "reject").await?;
                Recorded::GoesOn
            }
            _ => try_later(&mut tx, &row, answer, now).await?,
        };
        tx.commit().await?;
        Ok(recorded)
    }
}

/// The step that an answer is, to a call of this kind. A 410 to a PUT that nobody took back is no answer we know.
fn step(kind: CallKind, answer: &Answer) -> Option<Step> {
    match (kind, answer) {
        (CallKind::Put, Answer::Made(_)) => Some(Step::OrderAccepted),
        (CallKind::Put, Answer::No) => Some(Step::OrderRejected),
        (CallKind::Delete, Answer::Gone) => Some(Step::OrderDeleted),
        _ => None,
    }
}

async fn try_later(
    tx: &mut Tx,
    row: &ApplicationRow,
    answer: &Answer,
    now: Millis,
) -> Result<Recorded, LedgerError> {
    let retry_in_ms = if let Answer::Unknown { retry_in_ms } = answer { *retry_in_ms } else { 0 };
    let parked = row.attempts >= ATTEMPTS_MAX;
    sqlx::query(
        "UPDATE application SET state = CASE WHEN $3 = 1 THEN 'parked' ELSE state END, fence = fence + 1, lease_until = 0, next_try_at = $4
         WHERE event = $1 AND app_key = $2",
    )
    .bind(row.event.as_str()).bind(row.app_key.to_string()).bind(i64::from(parked)).bind(now + retry_in_ms)
    .execute(&mut **tx).await?;
    if parked {
        outbox::post(tx, &DomainEvent::parked(row), now).await?;
    }
    Ok(if parked { Recorded::Parked } else { Recorded::GoesOn })
}

/// Ends an application: outcome, seat and domain event together. An ordered one sells its seat, every other frees it.
pub(crate) async fn end(
    tx: &mut Tx,
    row: &ApplicationRow,
    outcome: Outcome,
    order_no: Option<&str>,
    now: Millis,
) -> Result<(), LedgerError> {
    sqlx::query(
        "UPDATE application SET state = 'ended', undo = NULL, outcome = $3, order_no = $4, seat = CASE WHEN $3 = 'ordered' THEN seat END,
             contact = CASE WHEN $3 = 'ordered' THEN contact ELSE '' END, fence = fence + 1, lease_until = 0, ended_at = $5, shown_epoch = 0
         WHERE event = $1 AND app_key = $2",
    )
    .bind(row.event.as_str()).bind(row.app_key.to_string()).bind(outcome.as_str()).bind(order_no).bind(now)
    .execute(&mut **tx).await?;
    if let Some(seat) = row.seat {
        let (state, key) = if outcome == Outcome::Ordered {
            ("sold", Some(row.app_key.to_string()))
        } else {
            ("free", None)
        };
        sqlx::query("UPDATE seat SET state = $3, app_key = $4 WHERE event = $1 AND n = $2")
            .bind(row.event.as_str())
            .bind(seat)
            .bind(state)
            .bind(key)
            .execute(&mut **tx)
            .await?;
    }
    outbox::post(tx, &DomainEvent::of(&row.event, row.app_key, row.number, outcome, order_no), now).await
}
