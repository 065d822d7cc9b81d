//! Reading single rows, and all of them for verifying.

use domain::{AppKey, ApplicationState, EventId, Number, Outcome, Undo};
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::ledger::{Ledger, LedgerError, Tx, count, int, maybe_text, number, parsed, text};

/// An application as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationRow {
    /// The event.
    pub event: EventId,
    /// The application.
    pub app_key: AppKey,
    /// Its number.
    pub number: Number,
    /// Where it stands.
    pub state: ApplicationState,
    /// Its seat.
    pub seat: Option<i64>,
    /// Its outcome; an order that is being taken back still has one.
    pub outcome: Option<Outcome>,
    /// The order number, if ordered.
    pub order_no: Option<String>,
    /// Rises with every lease and every decision.
    pub fence: i64,
    /// Order calls since the state was entered.
    pub attempts: u32,
}

impl ApplicationRow {
    pub(crate) fn from_row(row: &AnyRow) -> Result<Self, LedgerError> {
        let outcome = maybe_text(row, "outcome")?.as_deref().and_then(Outcome::parse);
        let attempts = count(row, "attempts")?;
        let undo = match maybe_text(row, "undo")?.as_deref() {
            Some("cancel") => Some(Undo::Cancel),
            Some("reject") => Some(Undo::Reject),
            _ => None,
        };
        let state = match (text(row, "state")?.as_str(), undo, outcome) {
            ("ordering", _, _) => ApplicationState::Ordering { attempts },
            ("undoing", Some(undo), _) => ApplicationState::Undoing { undo, attempts },
            ("parked", undo, _) => ApplicationState::Parked { undo },
            ("ended", _, Some(outcome)) => ApplicationState::Ended(outcome),
            (other, ..) => {
                return Err(LedgerError::Inconsistent(format!(
                    "an application cannot be '{other}' like this"
                )));
            }
        };
        Ok(Self {
            event: parsed(row, "event")?,
            app_key: parsed(row, "app_key")?,
            number: number(row)?,
            state,
            seat: row.try_get("seat")?,
            outcome,
            order_no: maybe_text(row, "order_no")?,
            fence: int(row, "fence")?,
            attempts,
        })
    }
}

/// Reads and locks an application, so that what is decided from it still holds at the commit.
pub(crate) async fn application(
    tx: &mut Tx,
    event: &EventId,
    app_key: AppKey,
) -> Result<Option<ApplicationRow>, LedgerError> {
    let row = sqlx::query(tx.dialect.lock_application())
        .bind(event.as_str())
        .bind(app_key.to_string())
        .fetch_optional(&mut **tx)
        .await?;
    row.as_ref().map(ApplicationRow::from_row).transpose()
}

/// A seat as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatRow {
    /// Which seat, from 1.
    pub n: i64,
    /// `free`, `held` or `sold`.
    pub state: String,
    /// Whose.
    pub app_key: Option<AppKey>,
}

/// A domain event as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// The application, or empty.
    pub app_key: String,
    /// What happened.
    pub kind: String,
    /// Whether it was sent.
    pub sent: bool,
}

/// An order at the order service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRow {
    /// The application that it was made for.
    pub app_key: AppKey,
    /// Its order number.
    pub order_no: String,
    /// `false` for a tombstone.
    pub live: bool,
}

impl Ledger {
    /// All applications of an event above `after`, in number order.
    pub async fn rows(
        &self,
        event: &EventId,
        after: u32,
        max: u32,
    ) -> Result<Vec<ApplicationRow>, LedgerError> {
        let rows = sqlx::query(
            "SELECT * FROM application WHERE event = $1 AND number > $2 ORDER BY number LIMIT $3",
        )
        .bind(event.as_str())
        .bind(i64::from(after))
        .bind(i64::from(max))
        .fetch_all(self.reader())
        .await?;
        rows.iter().map(ApplicationRow::from_row).collect()
    }

    /// All seats of an event, in order.
    pub async fn seat_rows(&self, event: &EventId) -> Result<Vec<SeatRow>, LedgerError> {
        let rows = sqlx::query("SELECT n, state, app_key FROM seat WHERE event = $1 ORDER BY n")
            .bind(event.as_str())
            .fetch_all(self.reader())
            .await?;
        rows.iter()
            .map(|row| {
                let key = maybe_text(row, "app_key")?;
                let key = key.map(|key| {
                    key.parse().map_err(|_| LedgerError::Inconsistent(format!("a seat is held by '{key}'")))
                });
                Ok(SeatRow { n: int(row, "n")?, state: text(row, "state")?, app_key: key.transpose()? })
            })
            .collect()
    }

    /// All domain events of an event.
    pub async fn outbox_rows(&self, event: &EventId) -> Result<Vec<OutboxRow>, LedgerError> {
        let rows = sqlx::query("SELECT app_key, type, sent_at FROM outbox WHERE event = $1")
            .bind(event.as_str())
            .fetch_all(self.reader())
            .await?;
        rows.iter()
            .map(|row| {
                let sent = row.try_get::<Option<i64>, _>("sent_at")?.is_some();
                Ok(OutboxRow { app_key: text(row, "app_key")?, kind: text(row, "type")?, sent })
            })
            .collect()
    }

    /// All orders of the embedded order service.
    pub async fn order_rows(&self, event: &EventId) -> Result<Vec<OrderRow>, LedgerError> {
        let rows = sqlx::query("SELECT app_key, order_no, state FROM placed_order WHERE event = $1")
            .bind(event.as_str())
            .fetch_all(self.reader())
            .await?;
        rows.iter()
            .map(|row| {
                let live = text(row, "state")? == "live";
                Ok(OrderRow { app_key: parsed(row, "app_key")?, order_no: text(row, "order_no")?, live })
            })
            .collect()
    }
}
