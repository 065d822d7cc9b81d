//! Closing and settling an event: forward only, each step under the leader's fence.

use domain::{EventId, EventState, Fence};
use sqlx::Row;

use crate::book::{Book, BookError};
use crate::event::BookEvent;
use crate::lead::hold_lead;
use crate::relay::{self, Notice};

/// Whether the event could be settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settling {
    /// It is settled, now or from before.
    Settled,
    /// A seat is held, or free while somebody waits.
    NotYet,
}

impl Book {
    /// Moves the event's state forward; what is already there or further on stays.
    pub async fn advance(&self, event: &EventId, fence: Fence, to: EventState) -> Result<(), BookError> {
        let mut tx = self.begin().await?;
        let (held, now) = hold_lead(self, &mut tx, event, fence).await?;
        if held.state.may_become(to) && to != EventState::Settled {
            sqlx::query("UPDATE event SET state = $2 WHERE id = $1")
                .bind(event.as_str())
                .bind(to.as_str())
                .execute(&mut *tx)
                .await?;
            relay::post(&mut tx, &Notice::of_event(event, &format!("event.{}", to.as_str()), ""), now)
                .await?;
        }
        tx.commit().await
    }

    /// Notes the last number that was given before the line closed.
    pub async fn note_closed(&self, event: &EventId, fence: Fence, closed_seq: u32) -> Result<(), BookError> {
        let mut tx = self.begin().await?;
        hold_lead(self, &mut tx, event, fence).await?;
        sqlx::query("UPDATE event SET closed_seq = $2 WHERE id = $1 AND closed_seq IS NULL")
            .bind(event.as_str())
            .bind(i64::from(closed_seq))
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }

    /// Settles an event that is settling, unless a seat is held, or one is free while `anybody_waits`. From then on, whoever
    /// still waits up to the last number is `sold_out`: one write for all of them.
    pub async fn settle(
        &self,
        event: &EventId,
        fence: Fence,
        anybody_waits: bool,
    ) -> Result<Settling, BookError> {
        let mut tx = self.begin().await?;
        let (BookEvent { state, closed_seq, .. }, now) = hold_lead(self, &mut tx, event, fence).await?;
        let (EventState::Settling, Some(closed_seq)) = (state, closed_seq) else {
            return Ok(if state == EventState::Settled { Settling::Settled } else { Settling::NotYet });
        };
        let row = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM seat WHERE event = $1 AND state = 'held') AS held,
                    (SELECT COUNT(*) FROM (SELECT n FROM seat WHERE event = $1 AND state = 'free' LIMIT 1) AS some_free) AS free",
        )
        .bind(event.as_str()).fetch_one(&mut *tx).await?;
        let (held, free): (i64, i64) = (row.try_get("held")?, row.try_get("free")?);
        if held > 0 || (free > 0 && anybody_waits) {
            return Ok(Settling::NotYet);
        }
        sqlx::query("UPDATE event SET state = 'settled', settled_seq = $2 WHERE id = $1")
            .bind(event.as_str())
            .bind(i64::from(closed_seq))
            .execute(&mut *tx)
            .await?;
        relay::post(&mut tx, &Notice::of_event(event, "event.settled", ""), now).await?;
        tx.commit().await?;
        Ok(Settling::Settled)
    }
}
