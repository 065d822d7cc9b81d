//! Events: made with all their seats, read with their figures.

use domain::{EventId, EventSettings, EventState, Fence, Millis};
use serde_json::{Value, json};
use sqlx::any::AnyRow;

use crate::audit::{self, AuditRow};
use crate::change::{By, ChangeError};
use crate::ledger::{Ledger, LedgerError, Tx, count, int, maybe_text, text};

/// What came of making an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// It is new, with all its seats.
    New,
    /// It was there already, at this rev; nothing was changed.
    Known(i64),
}

/// Seats by state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seats {
    /// Nobody's yet.
    pub free: u32,
    /// An order is under way, or parked.
    pub held: u32,
    /// Ordered.
    pub sold: u32,
}

/// An event as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEvent {
    /// The settings as of `rev`.
    pub settings: EventSettings,
    /// Rises with every change of a setting.
    pub rev: i64,
    /// Where the event stands, as far as the ledger was told.
    pub state: EventState,
    /// The leader's fence; 0 if nobody ever led.
    pub fence: Fence,
    /// No number above this was ever given.
    pub number_limit: u32,
    /// The last request answered.
    pub inbox_through: i64,
    /// Until then nobody is admitted: the queue lost somebody, who may still show a receipt.
    pub recover_until: Millis,
    /// Why nobody is admitted, if so.
    pub frozen: Option<String>,
    /// The last number given before the queue closed.
    pub closed_seq: Option<u32>,
    /// Up to here, who still waits was too late.
    pub settled_seq: Option<u32>,
}

impl LedgerEvent {
    pub(crate) fn from_row(row: &AnyRow) -> Result<Self, LedgerError> {
        let state = text(row, "state")?;
        let some = |column: &str| -> Result<Option<u32>, LedgerError> {
            Ok(sqlx::Row::try_get::<Option<i64>, _>(row, column)?.and_then(|n| u32::try_from(n).ok()))
        };
        Ok(Self {
            settings: settings(&text(row, "settings")?)?,
            rev: int(row, "rev")?,
            state: EventState::parse(&state)
                .ok_or_else(|| LedgerError::Inconsistent(format!("an event cannot be '{state}'")))?,
            fence: Fence(int(row, "leader_fence")?),
            number_limit: count(row, "number_limit")?,
            inbox_through: int(row, "inbox_through")?,
            recover_until: int(row, "recover_until")?,
            frozen: maybe_text(row, "frozen")?,
            closed_seq: some("closed_seq")?,
            settled_seq: some("settled_seq")?,
        })
    }
}

/// Reads settings as they were stored.
pub(crate) fn settings(json: &str) -> Result<EventSettings, LedgerError> {
    serde_json::from_str(json).map_err(|e| LedgerError::Inconsistent(format!("an event's settings: {e}")))
}

impl Ledger {
    /// Makes an event with all its seats, as rev 1, in one transaction. An event that is there already stays as it is.
    pub async fn create_event(&self, settings: &EventSettings, actor: &str) -> Result<Created, LedgerError> {
        self.create(settings, ("create", By { actor, reason: "" }), &Value::Null).await
    }

    pub(crate) async fn create(
        &self,
        settings: &EventSettings,
        (action, by): (&str, By<'_>),
        before: &Value,
    ) -> Result<Created, LedgerError> {
        let mistakes = settings.mistakes();
        if !mistakes.is_empty() {
            return Err(LedgerError::Settings(mistakes));
        }
        let json = serde_json::to_string(settings).map_err(|e| LedgerError::Inconsistent(e.to_string()))?;
        let mut tx = self.begin().await?;
        let now = self.now(&mut tx).await?;
        let made = sqlx::query("INSERT INTO event (id, rev, settings, state, refilled_at) VALUES ($1, 1, $2, 'scheduled', $3) ON CONFLICT (id) DO NOTHING")
            .bind(settings.id.as_str()).bind(&json).bind(now)
            .execute(&mut *tx).await?.rows_affected();
        if made == 0 {
            let row = sqlx::query("SELECT rev FROM event WHERE id = $1")
                .bind(settings.id.as_str())
                .fetch_one(&mut *tx)
                .await?;
            return Ok(Created::Known(int(&row, "rev")?));
        }
        add_seats(&mut tx, &settings.id, 1, settings.capacity).await?;
        let audited = AuditRow {
            event: settings.id.clone(),
            rev: 1,
            at: now,
            actor: by.actor.to_owned(),
            action: action.to_owned(),
            reason: by.reason.to_owned(),
            before: before.clone(),
            after: json!(settings),
        };
        audit::write(&mut tx, audited).await?;
        tx.commit().await?;
        Ok(Created::New)
    }

    /// All events, by id.
    pub async fn events(&self) -> Result<Vec<LedgerEvent>, LedgerError> {
        let rows = sqlx::query("SELECT * FROM event ORDER BY id").fetch_all(self.reader()).await?;
        rows.iter().map(LedgerEvent::from_row).collect()
    }

    /// One event.
    pub async fn event(&self, event: &EventId) -> Result<LedgerEvent, LedgerError> {
        let row = sqlx::query("SELECT * FROM event WHERE id = $1")
            .bind(event.as_str())
            .fetch_optional(self.reader())
            .await?;
        row.as_ref().map_or_else(|| Err(LedgerError::UnknownEvent(event.to_string())), LedgerEvent::from_row)
    }

    /// Seats by state. It counts the rows: ask about once a second, not for each move.
    pub async fn seats(&self, event: &EventId) -> Result<Seats, LedgerError> {
        let rows = sqlx::query("SELECT state, COUNT(*) AS n FROM seat WHERE event = $1 GROUP BY state")
            .bind(event.as_str())
            .fetch_all(self.reader())
            .await?;
        let mut seats = Seats::default();
        for row in &rows {
            match text(row, "state")?.as_str() {
                "free" => seats.free = count(row, "n")?,
                "held" => seats.held = count(row, "n")?,
                _ => seats.sold = count(row, "n")?,
            }
        }
        Ok(seats)
    }

    /// The clock of the ledger, in milliseconds.
    pub async fn time(&self) -> Result<Millis, LedgerError> {
        let mut connection = self.reader().acquire().await?;
        self.dialect.now(&mut connection).await
    }
}

/// Seats added in one statement: ten million would outlast its timeout.
const SEATS_AT_ONCE: u32 = 20_000;

/// Adds the seats `from` to `to`, both included.
async fn add_seats(tx: &mut Tx, event: &EventId, from: u32, to: u32) -> Result<(), LedgerError> {
    for first in (from..=to).step_by(SEATS_AT_ONCE as usize) {
        let last = to.min(first.saturating_add(SEATS_AT_ONCE - 1));
        sqlx::query(
            "WITH RECURSIVE numbered (n) AS (SELECT CAST($2 AS BIGINT) UNION ALL SELECT n + 1 FROM numbered WHERE n < $3)
             INSERT INTO seat (event, n) SELECT $1, n FROM numbered",
        )
        .bind(event.as_str()).bind(i64::from(first)).bind(i64::from(last))
        .execute(&mut **tx).await?;
    }
    Ok(())
}

/// Makes the seats of an event as many as `capacity`; the event is locked. Only a transaction that holds that lock gives a free
/// seat away or changes how many seats there are; a held or a sold one may come free meanwhile.
pub(crate) async fn fit_seats(tx: &mut Tx, event: &EventId, capacity: u32) -> Result<(), ChangeError> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS seats, COALESCE(MAX(n), 0) AS last, COALESCE(SUM(CASE WHEN state = 'free' THEN 1 ELSE 0 END), 0) AS free
         FROM seat WHERE event = $1",
    )
    .bind(event.as_str()).fetch_one(&mut **tx).await.map_err(LedgerError::from)?;
    let (seats, last, free) = (count(&row, "seats")?, count(&row, "last")?, count(&row, "free")?);
    if capacity < seats - free {
        return Err(ChangeError::TooSmall { least: seats - free });
    }
    if capacity > seats {
        add_seats(tx, event, last + 1, last + (capacity - seats)).await?;
    } else {
        remove_free_seats(tx, event, seats - capacity).await?;
    }
    Ok(check_seats(tx, event, capacity).await?)
}

/// Deletes so many free seats, the last ones first. The numbers of those that stay need not run on.
///
/// In one statement, which sees one moment: a seat that came free between a statement that looks and one that deletes was deleted
/// too. Postgres deletes a million seats in 0.7 s and ten million, the most, in 7 s; a statement ends after 10 s.
async fn remove_free_seats(tx: &mut Tx, event: &EventId, surplus: u32) -> Result<(), LedgerError> {
    // By a bound, not by a list: Postgres planned the list as a loop over loops as long as it had not counted the seats anew.
    sqlx::query(
        "DELETE FROM seat WHERE event = $1 AND state = 'free' AND n >= (
             SELECT MIN(n) FROM (SELECT n FROM seat WHERE event = $1 AND state = 'free' ORDER BY n DESC LIMIT $2) AS last_free)",
    )
    .bind(event.as_str())
    .bind(i64::from(surplus))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Fails unless the event has as many seats as its capacity says.
async fn check_seats(tx: &mut Tx, event: &EventId, capacity: u32) -> Result<(), LedgerError> {
    let row = sqlx::query("SELECT COUNT(*) AS seats FROM seat WHERE event = $1")
        .bind(event.as_str())
        .fetch_one(&mut **tx)
        .await?;
    match count(&row, "seats")? {
        seats if seats == capacity => Ok(()),
        seats => Err(LedgerError::Inconsistent(format!(
            "event {event} would have {seats} seats with a capacity of {capacity}"
        ))),
    }
}
