//! Closing and settling an event: forward only, each step under the leader's fence.

use domain::{EventId, EventState, Fence};
use sqlx::Row;

use crate::event::LedgerEvent;
use crate::lead::hold_lead;
use crate::ledger::{Ledger, LedgerError, Tx};
use crate::outbox::{self, DomainEvent};

/// Whether the event could be settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settling {
    /// It is settled, now or from before.
    Settled,
    /// An application has not ended, a seat is held, or one is free while somebody waits.
    NotYet,
}

impl Ledger {
    /// Moves the event's state forward; what is already there or further on stays.
    pub async fn advance(&self, event: &EventId, fence: Fence, to: EventState) -> Result<(), LedgerError> {
        let mut tx = self.begin().await?;
        let (held, now) = hold_lead(self, &mut tx, event, fence).await?;
        if held.state.may_become(to) && to != EventState::Settled {
            sqlx::query("UPDATE event SET state = $2 WHERE id = $1")
                .bind(event.as_str())
                .bind(to.as_str())
                .execute(&mut *tx)
                .await?;
            outbox::post(&mut tx, &DomainEvent::of_event(event, &format!("event.{}", to.as_str()), ""), now)
                .await?;
        }
        tx.commit().await
    }

    /// Notes the last number that was given before the queue closed.
    pub async fn note_closed(
        &self,
        event: &EventId,
        fence: Fence,
        closed_seq: u32,
    ) -> Result<(), LedgerError> {
        let mut tx = self.begin().await?;
        hold_lead(self, &mut tx, event, fence).await?;
        sqlx::query("UPDATE event SET closed_seq = $2 WHERE id = $1 AND closed_seq IS NULL")
            .bind(event.as_str())
            .bind(i64::from(closed_seq))
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }

    /// Settles an event that is settling, unless an application is ordering, undoing or parked, a seat is held, or one is free
    /// while `anybody_waits`. An order that is being taken back counts although its seat is sold: it comes free
    /// for the next number. From then on, whoever still waits up to the last number is `sold_out`: one write for all of them.
    pub async fn settle(
        &self,
        event: &EventId,
        fence: Fence,
        anybody_waits: bool,
    ) -> Result<Settling, LedgerError> {
        let mut tx = self.begin().await?;
        let (LedgerEvent { state, closed_seq, .. }, now) = hold_lead(self, &mut tx, event, fence).await?;
        let (EventState::Settling, Some(closed_seq)) = (state, closed_seq) else {
            return Ok(if state == EventState::Settled { Settling::Settled } else { Settling::NotYet });
        };
        let Unsettled { ends_later, free } = Unsettled::of(&mut tx, event).await?;
        if ends_later || (free && anybody_waits) {
            return Ok(Settling::NotYet);
        }
        sqlx::query("UPDATE event SET state = 'settled', settled_seq = $2 WHERE id = $1")
            .bind(event.as_str())
            .bind(i64::from(closed_seq))
            .execute(&mut *tx)
            .await?;
        outbox::post(&mut tx, &DomainEvent::of_event(event, "event.settled", ""), now).await?;
        tx.commit().await?;
        Ok(Settling::Settled)
    }
}

/// What may keep an event from being settled, as of one moment: an answer that is recorded meanwhile changes application and seat
/// together.
struct Unsettled {
    /// An application has not ended, or a seat is held.
    ends_later: bool,
    /// A seat is free.
    free: bool,
}

impl Unsettled {
    async fn of(tx: &mut Tx, event: &EventId) -> Result<Self, LedgerError> {
        let row = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM (SELECT 1 AS one FROM application WHERE event = $1 AND state IN ('ordering', 'undoing') LIMIT 1) AS due)
                  + (SELECT COUNT(*) FROM (SELECT 1 AS one FROM application WHERE event = $1 AND state = 'parked' LIMIT 1) AS parked)
                  + (SELECT COUNT(*) FROM (SELECT 1 AS one FROM seat WHERE event = $1 AND state = 'held' LIMIT 1) AS held) AS ends_later,
                    (SELECT COUNT(*) FROM (SELECT 1 AS one FROM seat WHERE event = $1 AND state = 'free' LIMIT 1) AS some_free) AS free",
        )
        .bind(event.as_str())
        .fetch_one(&mut **tx)
        .await?;
        let some = |column: &str| Ok::<_, LedgerError>(row.try_get::<i64, _>(column)? > 0);
        Ok(Self { ends_later: some("ends_later")?, free: some("free")? })
    }
}
