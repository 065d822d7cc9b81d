//! Parked applications: their calls had no definite response so often that only an operator or the applicant continues them.

use domain::application::Step;
use domain::{AppKey, ApplicationState, EventId, Millis};
use serde_json::json;

use crate::admin::audit::{self, AuditAction, AuditRow, ChangedBy};
use crate::admin::change_error::ChangeError;
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::store::transaction::Tx;
use crate::tables::application::{ApplicationRow, UndoneBy, lock_application};
use crate::tables::event::{EventRow, lock_known_event};
use crate::tables::transition::{order_again, start_undoing};

/// An operator's decision about a parked application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndParked {
    /// Call the order service again.
    Retry,
    /// Reject the application. The order is undone first, since one may exist; only then does the seat become free.
    Reject,
}

impl EndParked {
    fn step(self) -> Step {
        match self {
            Self::Retry => Step::Retry,
            Self::Reject => Step::Reject,
        }
    }

    /// The action in the audit.
    pub fn action(self) -> AuditAction {
        match self {
            Self::Retry => AuditAction::Retry,
            Self::Reject => AuditAction::Reject,
        }
    }
}

impl Ledger {
    /// Returns parked applications, lowest number first, at most `max`. [`Ledger::open_applications`] returns how many there are.
    pub async fn parked(&self, event: &EventId, max: u32) -> Result<Vec<ApplicationRow>, Error> {
        let rows = sqlx::query(
            "SELECT * FROM application WHERE event = $1 AND state = 'parked' ORDER BY number LIMIT $2",
        )
        .bind(event.as_str())
        .bind(i64::from(max))
        .fetch_all(self.reader())
        .await?;
        rows.iter().map(ApplicationRow::from_row).collect()
    }

    /// Ends the parking of an application. Returns `None` and changes nothing if the application is not parked. The event's rev
    /// stays, since no setting changes.
    pub async fn end_parked(
        &self,
        event: &EventId,
        app_key: AppKey,
        end: EndParked,
        by: ChangedBy<'_>,
    ) -> Result<Option<AuditRow>, ChangeError> {
        let mut tx = self.begin().await?;
        let rev = EventRow::from_row(&lock_known_event(&mut tx, event).await?)?.rev;
        let Some(row) = lock_application(&mut tx, event, app_key).await? else { return Ok(None) };
        let Some(next) = row.state.after(end.step()) else { return Ok(None) };
        let now = self.now(&mut tx).await?;
        unpark(&mut tx, &row, next, now).await?;
        let state = |state: ApplicationState| json!({ "application": app_key.guid(), "number": row.number, "state": state.as_str() });
        let audited = AuditRow {
            event: Some(event.clone()),
            rev,
            at: now,
            actor: by.actor.to_owned(),
            action: end.action(),
            reason: by.reason.to_owned(),
            before: state(row.state),
            after: state(next),
        };
        let audited = audit::write(&mut tx, audited).await?;
        tx.commit().await?;
        Ok(Some(audited))
    }
}

async fn unpark(tx: &mut Tx, row: &ApplicationRow, next: ApplicationState, now: Millis) -> Result<(), Error> {
    match next {
        ApplicationState::Undoing { undo, .. } => start_undoing(tx, row, undo, UndoneBy::Operator, now).await,
        ApplicationState::Ordering { attempts } => order_again(tx, row, attempts).await,
        other => Err(Error::Inconsistent(format!("a parked application cannot become {}", other.as_str()))),
    }
}
