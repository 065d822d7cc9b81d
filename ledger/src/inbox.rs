//! The inbox's transaction: what applicants asked for is answered in the ledger, and only there.

use domain::application::Step;
use domain::{AppKey, ApplicationState, EventId, Fence, Millis, Number, Outcome};

use crate::admit::freeze;
use crate::answer;
use crate::known::{Known, Standing};
use crate::lead::hold_lead;
use crate::ledger::{Ledger, LedgerError, Tx};
use crate::outbox::{self, DomainEvent};
use crate::read::{self, ApplicationRow};

/// A request to be taken out, as the queue's inbox has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelRequest {
    /// Position in the inbox.
    pub id: i64,
    /// The application.
    pub app_key: AppKey,
    /// Its number.
    pub number: Number,
}

impl Ledger {
    /// Answers requests to cancel, in order, and remembers that the inbox was heard through there, in one transaction.
    pub async fn handle_inbox(
        &self,
        event: &EventId,
        fence: Fence,
        requests: &[CancelRequest],
        through: i64,
    ) -> Result<(), LedgerError> {
        let mut tx = self.begin().await?;
        let (held, now) = hold_lead(self, &mut tx, event, fence).await?;
        let requests = || requests.iter().filter(|request| request.id > held.inbox_through);
        let mut known =
            Known::of(&mut tx, event, requests().map(|request| (request.number, request.app_key))).await?;
        for request in requests() {
            match known.standing(request.number, request.app_key) {
                Standing::New => {
                    record_unseated(&mut tx, event, request, now).await?;
                    known.add(request.number, request.app_key);
                }
                Standing::Known => cancel(&mut tx, event, request.app_key, now).await?,
                Standing::Contradicts(why) => return freeze(self, tx, event, fence, why).await,
            }
        }
        sqlx::query("UPDATE event SET inbox_through = $2 WHERE id = $1")
            .bind(event.as_str())
            .bind(through.max(held.inbox_through))
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }
}

/// Somebody who was withdrawn before being admitted: a row without a seat.
async fn record_unseated(
    tx: &mut Tx,
    event: &EventId,
    request: &CancelRequest,
    now: Millis,
) -> Result<(), LedgerError> {
    sqlx::query("INSERT INTO application (event, app_key, number, state, outcome, admitted_at, ended_at) VALUES ($1, $2, $3, 'ended', 'cancelled', $4, $4)")
        .bind(event.as_str()).bind(request.app_key.to_string()).bind(i64::from(request.number)).bind(now)
        .execute(&mut **tx).await?;
    outbox::post(tx, &DomainEvent::of(event, request.app_key, request.number, Outcome::Cancelled, None), now)
        .await
}

/// Somebody with a seat: at once if no order call was started, else by taking the order back first. What has ended otherwise
/// stays as it is.
async fn cancel(tx: &mut Tx, event: &EventId, app_key: AppKey, now: Millis) -> Result<(), LedgerError> {
    let Some(row) = read::application(tx, event, app_key).await? else { return Ok(()) };
    match row.state.after(Step::RequestCancel) {
        Some(ApplicationState::Ended(outcome)) => answer::end(tx, &row, outcome, None, now).await,
        Some(ApplicationState::Undoing { .. }) => start_undoing(tx, &row, "cancel").await,
        _ => Ok(()),
    }
}

/// Turns a row to be taken back at the order service. The fence rises, so a maker who is just ordering can record nothing any
/// more; whatever it made, the tombstone ends.
pub(crate) async fn start_undoing(tx: &mut Tx, row: &ApplicationRow, undo: &str) -> Result<(), LedgerError> {
    sqlx::query(
        "UPDATE application SET state = 'undoing', undo = $3, fence = fence + 1, attempts = 0, lease_until = 0, next_try_at = 0
         WHERE event = $1 AND app_key = $2",
    )
    .bind(row.event.as_str()).bind(row.app_key.to_string()).bind(undo)
    .execute(&mut **tx).await?;
    Ok(())
}
