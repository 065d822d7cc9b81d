//! Closing and settling an event: forward only, each step under the leader's fence.

use domain::{EventId, EventState, Fence};
use sqlx::any::AnyRow;

use crate::leader::leader_lease::lock_led_event;
use crate::store::column::int;
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::store::transaction::Tx;
use crate::tables::outbox::{self, DomainEvent};

/// Whether the event could be settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettleResult {
    /// The event is settled, now or from before.
    Settled,
    /// An application has not ended, a seat is held, or a seat is free while an application waits.
    NotYet,
}

impl Ledger {
    /// Moves the event's state forward. An event that is already in this state or a later one stays as it is.
    pub async fn advance(&self, event: &EventId, fence: Fence, to: EventState) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let led = lock_led_event(self, &mut tx, event, fence).await?;
        if led.event.state.may_become(to) && to != EventState::Settled {
            sqlx::query("UPDATE event SET state = $2 WHERE id = $1")
                .bind(event.as_str())
                .bind(to.as_str())
                .execute(&mut *tx)
                .await?;
            let kind = format!("event.{}", to.as_str());
            outbox::post(&mut tx, &DomainEvent::of_event(event, &kind, ""), led.now).await?;
        }
        tx.commit().await
    }

    /// Records the last number that was given before the queue closed.
    pub async fn record_closed_seq(
        &self,
        event: &EventId,
        fence: Fence,
        closed_seq: u32,
    ) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        lock_led_event(self, &mut tx, event, fence).await?;
        sqlx::query("UPDATE event SET closed_seq = $2 WHERE id = $1 AND closed_seq IS NULL")
            .bind(event.as_str())
            .bind(i64::from(closed_seq))
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }

    /// Settles an event that is settling, unless an application is called, ordering, undoing or parked, a seat is held, or a seat is free
    /// while `applications_wait`. An order that is being undone counts although its seat is sold: the seat becomes free for the
    /// next number. Once the event is settled, every application that still waits up to the last number is `sold_out`: one write
    /// for all of them.
    pub async fn settle(
        &self,
        event: &EventId,
        fence: Fence,
        applications_wait: bool,
    ) -> Result<SettleResult, Error> {
        let mut tx = self.begin().await?;
        let led = lock_led_event(self, &mut tx, event, fence).await?;
        if led.event.state == EventState::Settled {
            return Ok(SettleResult::Settled);
        }
        let Some(closed_seq) = led.event.closed_seq.filter(|_| led.event.state == EventState::Settling)
        else {
            return Ok(SettleResult::NotYet);
        };
        let unsettled = Unsettled::read(&mut tx, event).await?;
        if unsettled.has_open || (unsettled.has_free && applications_wait) {
            return Ok(SettleResult::NotYet);
        }
        sqlx::query("UPDATE event SET state = 'settled', settled_seq = $2 WHERE id = $1")
            .bind(event.as_str())
            .bind(i64::from(closed_seq))
            .execute(&mut *tx)
            .await?;
        outbox::post(&mut tx, &DomainEvent::of_event(event, "event.settled", ""), led.now).await?;
        tx.commit().await?;
        Ok(SettleResult::Settled)
    }
}

/// What may keep an event from being settled. One statement reads all of it: a response that is recorded meanwhile changes
/// application and seat together.
struct Unsettled {
    /// Whether an application has not ended or a seat is held.
    has_open: bool,
    /// Whether a seat is free.
    has_free: bool,
}

impl Unsettled {
    async fn read(tx: &mut Tx, event: &EventId) -> Result<Self, Error> {
        let row = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM (SELECT 1 AS one FROM application WHERE event = $1 AND state IN ('ordering', 'undoing') LIMIT 1) AS due)
                  + (SELECT COUNT(*) FROM (SELECT 1 AS one FROM application WHERE event = $1 AND state = 'parked' LIMIT 1) AS parked)
                  + (SELECT COUNT(*) FROM (SELECT 1 AS one FROM seat WHERE event = $1 AND state = 'held' LIMIT 1) AS held) AS open,
                    (SELECT COUNT(*) FROM (SELECT 1 AS one FROM seat WHERE event = $1 AND state = 'free' LIMIT 1) AS some_free) AS free",
        )
        .bind(event.as_str())
        .fetch_one(&mut **tx)
        .await?;
        Ok(Self { has_open: is_any(&row, "open")?, has_free: is_any(&row, "free")? })
    }
}

fn is_any(row: &AnyRow, column: &str) -> Result<bool, Error> {
    Ok(int(row, column)? > 0)
}
