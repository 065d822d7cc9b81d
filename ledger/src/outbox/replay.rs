//! Replay: an operator sets the cursor of a target back, and the target gets the domain events again, under the same IDs.

use domain::EventId;
use serde_json::json;

use crate::admin::audit::{self, AuditAction, AuditRow, ChangedBy};
use crate::admin::change_error::ChangeError;
use crate::outbox::delivery::{cursor_seq, move_cursor};
use crate::store::ledger::Ledger;
use crate::tables::event::{EventRow, lock_known_event};

impl Ledger {
    /// Sends the domain events of an event to a target again, from the number `from`. Deleted ones are left out. Returns `None` and
    /// changes nothing if the target has no cursor in this event, or has not got as far as `from`.
    pub async fn replay(
        &self,
        target: &str,
        event: &EventId,
        from: i64,
        by: ChangedBy<'_>,
    ) -> Result<Option<AuditRow>, ChangeError> {
        let mut tx = self.begin().await?;
        let locked = EventRow::from_row(&lock_known_event(&mut tx, event).await?)?;
        let Some(before) = cursor_seq(&mut tx, target, event).await? else { return Ok(None) };
        let after = (from - 1).max(locked.outbox_purged);
        if after >= before || !move_cursor(&mut tx, target, event, before, after).await? {
            return Ok(None);
        }
        let audited = AuditRow {
            event: Some(event.clone()),
            rev: locked.rev,
            at: self.now(&mut tx).await?,
            actor: by.actor.to_owned(),
            action: AuditAction::Replay,
            reason: by.reason.to_owned(),
            before: json!({ "target": target, "seq": before }),
            after: json!({ "target": target, "seq": after }),
        };
        let audited = audit::write(&mut tx, audited).await?;
        tx.commit().await?;
        Ok(Some(audited))
    }
}
