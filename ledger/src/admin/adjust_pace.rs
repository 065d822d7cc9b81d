//! Steps of the automatic pace, and why they do not invalidate what an operator has read.

use domain::{AutoPace, EventId, EventState, Fence, Pace, PaceStep, Release};

use crate::admin::audit::{AuditAction, ChangedBy};
use crate::admin::event_draft::EventDraft;
use crate::admin::save_event::{EventChange, save};
use crate::calls::pace_bucket::fit_bucket;
use crate::leader::leader_lease::lock_led_event;
use crate::store::column::int;
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::store::transaction::Tx;
use crate::tables::event::lock_known_event;

/// The actor of the steps in the audit.
pub const AUTO_ACTOR: &str = "auto";

impl Ledger {
    /// Moves the pace of an event by one step, if it still has this pace and these rules. Returns whether it did: a change of an
    /// operator that came first wins.
    pub async fn adjust_pace(
        &self,
        event: &EventId,
        fence: Fence,
        rules: &AutoPace,
        from: Pace,
        step: &PaceStep,
    ) -> Result<bool, Error> {
        let mut tx = self.begin().await?;
        let led = lock_led_event(self, &mut tx, event, fence).await?;
        let settings = &led.event.settings;
        let is_same = settings.auto_pace.as_ref() == Some(rules) && settings.pace == from;
        if !is_same || settings.release == Release::Paused || led.event.state == EventState::Settled {
            return Ok(false);
        }
        let mut after = EventDraft::of(&led.event);
        after.settings.pace = rules.limit(step.to);
        let row = lock_known_event(&mut tx, event).await?;
        fit_bucket(&mut tx, &row, &after.settings, led.now).await?;
        let reason = step.reason.to_string();
        let by = ChangedBy { actor: AUTO_ACTOR, reason: &reason };
        let change = EventChange { event: &led.event, after: &after, action: AuditAction::AdjustPace, by };
        save(&mut tx, change, led.now).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// Whether the event, now at `rev`, was changed since `seen` other than by steps of the automatic pace. Operators do not have to read
/// an event again because its pace moved by itself.
pub(crate) async fn is_changed_since(
    tx: &mut Tx,
    event: &EventId,
    seen: i64,
    rev: i64,
) -> Result<bool, Error> {
    if seen >= rev {
        return Ok(seen != rev);
    }
    let row =
        sqlx::query("SELECT COUNT(*) AS steps FROM audit WHERE event = $1 AND rev > $2 AND action = $3")
            .bind(event.as_str())
            .bind(seen)
            .bind(AuditAction::AdjustPace.as_str())
            .fetch_one(&mut **tx)
            .await?;
    Ok(int(&row, "steps")? != rev - seen)
}
