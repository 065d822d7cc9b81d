//! Changing an event: one transaction locks it, checks the rev, decides, and writes settings, rev and audit, or nothing. The leader
//! projects the change into the queue within a round.

use domain::{EventId, Millis};
use serde_json::{Value, json};

use crate::admin::adjust_pace::is_changed_since;
use crate::admin::audit::{self, AuditRow, ChangedBy};
use crate::admin::capacity::fit_seats;
use crate::admin::change::Change;
use crate::admin::change_error::ChangeError;
use crate::admin::event_draft::EventDraft;
use crate::admin::save_event::{EventChange, save};
use crate::calls::pace_bucket::fit_bucket;
use crate::store::ledger::Ledger;
use crate::tables::event::{EventRow, lock_known_event};
use crate::tables::journal;

/// The result of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeResult {
    /// The event after the change.
    pub event: EventRow,
    /// The audit row; `None` if the event already was as requested, and then the rev did not rise.
    pub change: Option<AuditRow>,
}

/// What a change would do.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangePreview {
    /// The event as it would be after the change.
    pub event: EventRow,
    /// The fields that would change, as they are.
    pub before: Value,
    /// The same fields after the change.
    pub after: Value,
}

impl EventRow {
    /// What the change would do to this event at this time, by the rules of [`Ledger::change`] except one: whether a lower capacity leaves
    /// enough seats is decided by the seats.
    pub fn preview(&self, change: &Change, now: Millis) -> Result<ChangePreview, ChangeError> {
        let before = EventDraft::of(self);
        let mut after = before.clone();
        after.apply(change, now)?;
        after.check(&before, now)?;
        let difference = audit::difference(&json!(before), &json!(after));
        let event = after.into_event(self, self.rev);
        Ok(ChangePreview { event, before: difference.before, after: difference.after })
    }
}

impl Ledger {
    /// Changes an event, which must be at `if_rev` if one is given; steps of the automatic pace since then do not count. Every change
    /// has a row in the audit.
    pub async fn change(
        &self,
        event: &EventId,
        if_rev: Option<i64>,
        change: &Change,
        by: ChangedBy<'_>,
    ) -> Result<ChangeResult, ChangeError> {
        let mut tx = self.begin().await?;
        let row = lock_known_event(&mut tx, event).await?;
        let locked = EventRow::from_row(&row)?;
        if let Some(seen) = if_rev
            && is_changed_since(&mut tx, event, seen, locked.rev).await?
        {
            return Err(ChangeError::Stale { rev: locked.rev });
        }
        let now = self.now(&mut tx).await?;
        let before = EventDraft::of(&locked);
        let mut after = before.clone();
        after.apply(change, now)?;
        if after == before {
            return Ok(ChangeResult { event: locked, change: None });
        }
        after.check(&before, now)?;
        if after.settings.capacity != before.settings.capacity {
            fit_seats(&mut tx, event, after.settings.capacity).await?;
        }
        fit_bucket(&mut tx, &row, &after.settings, now).await?;
        if before.journals_missing > 0 && after.journals_missing == 0 {
            journal::give_up_missing(&mut tx, event).await?;
        }
        after.post_state_change(&mut tx, &before, now).await?;
        let action = change.action();
        let audited = save(&mut tx, EventChange { event: &locked, after: &after, action, by }, now).await?;
        tx.commit().await?;
        Ok(ChangeResult { event: after.into_event(&locked, audited.rev), change: Some(audited) })
    }
}
