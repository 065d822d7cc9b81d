//! Freezing an event whose queue contradicts the ledger.

use domain::{DomainEventKind, EventId, Fence};
use serde_json::json;

use crate::leader::leader_lease::lock_led_event;
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::store::transaction::Tx;
use crate::tables::outbox;

/// Rolls back the transaction, freezes the event and returns the error.
pub(crate) async fn freeze<T>(
    ledger: &Ledger,
    tx: Tx,
    event: &EventId,
    fence: Fence,
    why: String,
) -> Result<T, Error> {
    // The freeze is the only write of this round that may be committed.
    tx.rollback().await?;
    let mut tx = ledger.begin().await?;
    let led = lock_led_event(ledger, &mut tx, event, fence).await?;
    if led.event.frozen.as_ref() == Some(&why) {
        return Err(Error::Frozen(why));
    }
    sqlx::query("UPDATE event SET frozen = $2 WHERE id = $1")
        .bind(event.as_str())
        .bind(&why)
        .execute(&mut *tx)
        .await?;
    outbox::post_event(&mut tx, event, DomainEventKind::EventFrozen, json!({ "why": why }), led.now).await?;
    tx.commit().await?;
    Err(Error::Frozen(why))
}
