//! Parked applications: called so often without an answer that only an operator, or the applicant, takes them on.

use domain::application::Step;
use domain::{AppKey, ApplicationState, EventId, Undo};
use serde_json::json;

use crate::audit::{self, AuditRow};
use crate::change::{By, ChangeError};
use crate::event::LedgerEvent;
use crate::inbox::start_undoing;
use crate::lead::lock_event;
use crate::ledger::{Ledger, LedgerError, Tx};
use crate::read::{self, ApplicationRow};

/// What an operator decides about a parked application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndParked {
    /// Call the order service again.
    Retry,
    /// Reject it. The order is taken back first, since one may exist; only then is the seat free.
    Reject,
}

impl EndParked {
    fn step(self) -> Step {
        match self {
            Self::Retry => Step::Retry,
            Self::Reject => Step::Reject,
        }
    }

    /// The word for it in the audit.
    pub fn action(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Reject => "reject",
        }
    }
}

impl Ledger {
    /// Parked applications, lowest number first, at most `max`; how many there are says [`Ledger::under_way`].
    pub async fn parked(&self, event: &EventId, max: u32) -> Result<Vec<ApplicationRow>, LedgerError> {
        let rows = sqlx::query(
            "SELECT * FROM application WHERE event = $1 AND state = 'parked' ORDER BY number LIMIT $2",
        )
        .bind(event.as_str())
        .bind(i64::from(max))
        .fetch_all(self.reader())
        .await?;
        rows.iter().map(ApplicationRow::from_row).collect()
    }

    /// Takes a parked application on. `None` if it is not parked, or not any more; then nothing was changed. The event's rev
    /// stays: no setting changed.
    pub async fn end_parked(
        &self,
        event: &EventId,
        app_key: AppKey,
        end: EndParked,
        by: By<'_>,
    ) -> Result<Option<AuditRow>, ChangeError> {
        let mut tx = self.begin().await?;
        let held = lock_event(&mut tx, event).await?;
        let held = held.ok_or_else(|| LedgerError::UnknownEvent(event.to_string()))?;
        let rev = LedgerEvent::from_row(&held)?.rev;
        let Some(row) = read::application(&mut tx, event, app_key).await? else { return Ok(None) };
        let Some(next) = row.state.after(end.step()) else { return Ok(None) };
        take_on(&mut tx, &row, next).await?;
        let told =
            |state: &str| json!({ "application": app_key.guid(), "number": row.number, "state": state });
        let audited = AuditRow {
            event: event.clone(),
            rev,
            at: self.now(&mut tx).await?,
            actor: by.actor.to_owned(),
            action: end.action().to_owned(),
            reason: by.reason.to_owned(),
            before: told(row.state.as_str()),
            after: told(next.as_str()),
        };
        let audited = audit::write(&mut tx, audited).await?;
        tx.commit().await?;
        Ok(Some(audited))
    }
}

async fn take_on(tx: &mut Tx, row: &ApplicationRow, next: ApplicationState) -> Result<(), LedgerError> {
    match next {
        ApplicationState::Undoing { undo: Undo::Cancel, .. } => start_undoing(tx, row, "cancel").await,
        ApplicationState::Undoing { undo: Undo::Reject, .. } => start_undoing(tx, row, "reject").await,
        ApplicationState::Ordering { attempts } => order_again(tx, row, attempts).await,
        other => Err(LedgerError::Inconsistent(format!("nobody parked becomes {}", other.as_str()))),
    }
}

async fn order_again(tx: &mut Tx, row: &ApplicationRow, attempts: u32) -> Result<(), LedgerError> {
    sqlx::query(
        "UPDATE application SET state = 'ordering', undo = NULL, fence = fence + 1, attempts = $3, lease_until = 0, next_try_at = 0
         WHERE event = $1 AND app_key = $2",
    )
    .bind(row.event.as_str()).bind(row.app_key.to_string()).bind(i64::from(attempts))
    .execute(&mut **tx).await?;
    Ok(())
}
