//! Taking the settings over from the queue, after the ledger was put back to a state in which it did not have them yet.

use domain::{EventId, EventSettings, Fence};

use crate::admin::audit::{AuditAction, ChangedBy};
use crate::admin::capacity::fit_seats;
use crate::admin::change_error::ChangeError;
use crate::admin::event_draft::EventDraft;
use crate::admin::save_event::{EventChange, save};
use crate::leader::leader_lease::lock_led_event;
use crate::store::ledger::Ledger;
use crate::tables::event::EventRow;
use crate::tables::seat_count;

impl Ledger {
    /// Takes over the settings that the queue has under this rev, which is above the ledger's own: operators made changes that the
    /// ledger has lost. Its seats are as many as the settings say afterwards, but not fewer than are held and sold.
    pub async fn adopt_settings(
        &self,
        event: &EventId,
        fence: Fence,
        rev: i64,
        settings: &EventSettings,
    ) -> Result<(), ChangeError> {
        let mut tx = self.begin().await?;
        let led = lock_led_event(self, &mut tx, event, fence).await?;
        if led.event.rev >= rev {
            return Ok(());
        }
        let mut after = EventDraft::of(&led.event);
        after.settings = settings.clone();
        let counted = seat_count::read(&mut tx, event).await?;
        after.settings.capacity = settings.capacity.max(counted.held + counted.sold);
        fit_seats(&mut tx, event, after.settings.capacity).await?;
        let by =
            ChangedBy { actor: "worker", reason: "the queue has later settings: the ledger was put back" };
        let before_last = EventRow { rev: rev - 1, ..led.event };
        let change =
            EventChange { event: &before_last, after: &after, action: AuditAction::AdoptSettings, by };
        save(&mut tx, change, led.now).await?;
        Ok(tx.commit().await?)
    }
}
