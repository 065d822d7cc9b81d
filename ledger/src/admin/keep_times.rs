//! Keeping the queue's opening and closing times after the queue has acted on them.

use domain::{EventId, Fence, Millis};

use crate::admin::audit::{AuditAction, ChangedBy};
use crate::admin::event_draft::EventDraft;
use crate::admin::save_event::{EventChange, save};
use crate::leader::leader_lease::lock_led_event;
use crate::store::error::Error;
use crate::store::ledger::Ledger;

/// The opening and closing time of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventTimes {
    /// The time from which people may apply.
    pub opens_at: Millis,
    /// The time at which applying ends for good.
    pub closes_at: Millis,
}

impl Ledger {
    /// Sets the times to those of the queue, which had acted on them when the change of `rev` arrived. The queue never revokes an
    /// opening or a closing, so without this the two stores would disagree for good.
    pub async fn keep_times(
        &self,
        event: &EventId,
        fence: Fence,
        rev: i64,
        times: EventTimes,
    ) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let led = lock_led_event(self, &mut tx, event, fence).await?;
        let before = EventDraft::of(&led.event);
        let mut after = before.clone();
        after.settings.opens_at = times.opens_at;
        after.settings.closes_at = times.closes_at;
        if led.event.rev == rev && before != after {
            let by = ChangedBy {
                actor: "worker",
                reason: "the queue had acted on these times before the change arrived",
            };
            let change = EventChange { event: &led.event, after: &after, action: AuditAction::KeepTimes, by };
            save(&mut tx, change, led.now).await?;
        }
        tx.commit().await
    }
}
