//! Closing and settling an event: forward only, each step under the leader's fence.

use domain::{DomainEventKind, EventId, EventState, Fence, Millis, Outcome};
use serde_json::{Map, Value, json};
use sqlx::any::AnyRow;

use crate::leader::leader_lease::lock_led_event;
use crate::store::column::{int, text};
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::store::transaction::Tx;
use crate::tables::outbox;

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
            post_state(&mut tx, event, to, led.now).await?;
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
    /// while applications wait. An order that is being undone counts although its seat is sold: the seat becomes free for the
    /// next number. Once the event is settled, every application that still waits up to the last number is `sold_out`: one write
    /// for all of them.
    pub async fn settle(&self, event: &EventId, fence: Fence, waiting: u32) -> Result<SettleResult, Error> {
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
        if unsettled.has_open || (unsettled.has_free && waiting > 0) {
            return Ok(SettleResult::NotYet);
        }
        sqlx::query("UPDATE event SET state = 'settled', settled_seq = $2 WHERE id = $1")
            .bind(event.as_str())
            .bind(i64::from(closed_seq))
            .execute(&mut *tx)
            .await?;
        let counts = outcome_counts(&mut tx, event, waiting).await?;
        let fields = json!({ "settled_seq": closed_seq, "counts": counts });
        outbox::post_event(&mut tx, event, DomainEventKind::EventSettled, fields, led.now).await?;
        tx.commit().await?;
        Ok(SettleResult::Settled)
    }
}

/// Posts the domain event of a state before `settled`.
pub(crate) async fn post_state(
    tx: &mut Tx,
    event: &EventId,
    state: EventState,
    now: Millis,
) -> Result<(), Error> {
    let (kind, fields) = match state {
        EventState::Open => (DomainEventKind::EventOpened, json!({})),
        EventState::Closed => {
            (DomainEventKind::EventClosed, json!({ "last_number": last_number(tx, event).await? }))
        }
        EventState::Settling => (DomainEventKind::EventSettling, json!({})),
        EventState::Scheduled | EventState::Settled => return Ok(()),
    };
    outbox::post_event(tx, event, kind, fields, now).await
}

/// The last number that the queue gave, if the leader has reported the closing. An application that the queue had lost may still
/// get back a later one.
async fn last_number(tx: &mut Tx, event: &EventId) -> Result<Option<i64>, Error> {
    let row = sqlx::query("SELECT closed_seq FROM queue_status WHERE event = $1 AND closed_seq IS NOT NULL")
        .bind(event.as_str())
        .fetch_optional(&mut **tx)
        .await?;
    row.map(|row| int(&row, "closed_seq")).transpose()
}

/// How many applications of a settled event have each outcome.
async fn outcome_counts(tx: &mut Tx, event: &EventId, waiting: u32) -> Result<Value, Error> {
    let mut counts: Map<String, Value> =
        Outcome::ALL.iter().map(|one| (one.as_str().to_owned(), json!(0))).collect();
    let rows = sqlx::query(
        "SELECT outcome, COUNT(*) AS applications FROM application WHERE event = $1 AND outcome IS NOT NULL GROUP BY outcome",
    )
    .bind(event.as_str())
    .fetch_all(&mut **tx)
    .await?;
    for row in &rows {
        counts.insert(text(row, "outcome")?, json!(int(row, "applications")?));
    }
    counts.insert(Outcome::SoldOut.as_str().to_owned(), json!(waiting));
    Ok(Value::Object(counts))
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
