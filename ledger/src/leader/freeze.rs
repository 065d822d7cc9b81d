//! Freezing an event whose queue contradicts the ledger.

use domain::{EventId, Fence};

use crate::leader::leader_lease::lock_led_event;
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::store::transaction::Tx;
use crate::tables::outbox::{self, DomainEvent};

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
    sqlx::query("UPDATE event SET frozen = $2 WHERE id = $1")
        .bind(event.as_str())
        .bind(&why)
        .execute(&mut *tx)
        .await?;
    outbox::post(&mut tx, &DomainEvent::of_event(event, "event.frozen", &why), led.now).await?;
    tx.commit().await?;
    Err(Error::Frozen(why))
}
