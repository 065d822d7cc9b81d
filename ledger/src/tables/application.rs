//! Rows of the table `application`.

use std::str::FromStr;

use domain::{AppKey, ApplicationState, EventId, Millis, Number, Outcome, ReqHash, Undo};
use sqlx::any::AnyRow;

use crate::store::column::{
    count, impossible, int, maybe_int, maybe_parsed, maybe_text, number, parsed, text,
};
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::store::transaction::Tx;

/// An application in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationRow {
    /// The event.
    pub event: EventId,
    /// The key of the application.
    pub app_key: AppKey,
    /// The number in the queue.
    pub number: Number,
    /// The state.
    pub state: ApplicationState,
    /// The number of the seat.
    pub seat: Option<i64>,
    /// The outcome. An order that is being undone still has one.
    pub outcome: Option<Outcome>,
    /// The order number, if ordered.
    pub order_no: Option<String>,
    /// The fence, which rises with every call lease and every decision.
    pub fence: i64,
    /// Order calls since the state was entered.
    pub attempts: u32,
    /// The party that decided to undo the order, if one did.
    pub undo_by: Option<UndoneBy>,
    /// When the application got its row: its admission, or the end of one that was not admitted.
    pub admitted_at: Millis,
    /// When it got its outcome.
    pub ended_at: Option<Millis>,
}

impl ApplicationRow {
    pub(crate) fn from_row(row: &AnyRow) -> Result<Self, Error> {
        let outcome = maybe_text(row, "outcome")?.as_deref().and_then(Outcome::parse);
        let attempts = count(row, "attempts")?;
        Ok(Self {
            event: parsed(row, "event")?,
            app_key: parsed(row, "app_key")?,
            number: number(row)?,
            state: state(row, outcome, attempts)?,
            seat: maybe_int(row, "seat")?,
            outcome,
            order_no: maybe_text(row, "order_no")?,
            fence: int(row, "fence")?,
            attempts,
            undo_by: maybe_parsed(row, "undo_by")?,
            admitted_at: int(row, "admitted_at")?,
            ended_at: maybe_int(row, "ended_at")?,
        })
    }
}

fn state(row: &AnyRow, outcome: Option<Outcome>, attempts: u32) -> Result<ApplicationState, Error> {
    let undo = maybe_text(row, "undo")?.as_deref().and_then(parse_undo);
    match (text(row, "state")?.as_str(), undo, outcome) {
        ("called", _, _) => {
            let until = maybe_int(row, "called_until")?.unwrap_or(0);
            Ok(ApplicationState::Called { until, extended: int(row, "extended")? == 1 })
        }
        ("ordering", _, _) => Ok(ApplicationState::Ordering { attempts }),
        ("undoing", Some(undo), _) => Ok(ApplicationState::Undoing { undo, attempts }),
        ("parked", undo, _) => Ok(ApplicationState::Parked { undo }),
        ("ended", _, Some(outcome)) => Ok(ApplicationState::Ended(outcome)),
        (other, ..) => Err(impossible("an application's state", other)),
    }
}

/// The party that decided to end an application without an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UndoneBy {
    /// The applicant cancelled.
    Applicant,
    /// An operator rejected it.
    Operator,
    /// The order service rejected the order.
    OrderService,
    /// The shop reported that there is no order. It is not stored: nothing has to be undone.
    Shop,
}

impl UndoneBy {
    const ALL: [Self; 4] = [Self::Applicant, Self::Operator, Self::OrderService, Self::Shop];

    /// The name that is stored and published.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applicant => "applicant",
            Self::Operator => "operator",
            Self::OrderService => "order_service",
            Self::Shop => "shop",
        }
    }
}

impl FromStr for UndoneBy {
    type Err = ();
    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|party| party.as_str() == name).ok_or(())
    }
}

/// The stored name of the reason for undoing an order.
pub(crate) fn undo_name(undo: Undo) -> &'static str {
    match undo {
        Undo::Cancel => "cancel",
        Undo::Reject => "reject",
    }
}

fn parse_undo(name: &str) -> Option<Undo> {
    [Undo::Cancel, Undo::Reject].into_iter().find(|undo| undo_name(*undo) == name)
}

/// Reads and locks an application, so that decisions based on it still hold at the commit.
pub(crate) async fn lock_application(
    tx: &mut Tx,
    event: &EventId,
    app_key: AppKey,
) -> Result<Option<ApplicationRow>, Error> {
    let row = sqlx::query(tx.dialect.lock_application())
        .bind(event.as_str())
        .bind(app_key.to_string())
        .fetch_optional(&mut **tx)
        .await?;
    row.as_ref().map(ApplicationRow::from_row).transpose()
}

/// The number of applications that have not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenApplications {
    /// Called applicants who have not confirmed.
    pub called: u32,
    /// Applications whose order call has no definite response yet.
    pub under_way: u32,
    /// Parked applications.
    pub parked: u32,
}

/// An application of the ledger, as a queue that has lost it gets it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdmittedApplication {
    /// Its number.
    pub number: Number,
    /// The application.
    pub app_key: AppKey,
    /// The hash of the client's secret; none if the ledger does not know it.
    pub req_hash: ReqHash,
}

impl AdmittedApplication {
    fn from_row(row: &AnyRow) -> Result<Self, Error> {
        let secret = text(row, "req_hash")?;
        Ok(Self {
            number: number(row)?,
            app_key: parsed(row, "app_key")?,
            req_hash: secret.parse().unwrap_or(ReqHash::NONE),
        })
    }
}

impl Ledger {
    /// Returns the applications of an event with a number above `after`, in number order, at most `max`.
    pub async fn applications(
        &self,
        event: &EventId,
        after: u32,
        max: u32,
    ) -> Result<Vec<ApplicationRow>, Error> {
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

    /// Returns the numbers above `after` that the ledger knows, in order, at most `max`: to restore them in a queue that lost them.
    pub async fn admitted_after(
        &self,
        event: &EventId,
        after: u32,
        max: u32,
    ) -> Result<Vec<AdmittedApplication>, Error> {
        let rows = sqlx::query("SELECT app_key, number, req_hash FROM application WHERE event = $1 AND number > $2 ORDER BY number LIMIT $3")
            .bind(event.as_str()).bind(i64::from(after)).bind(i64::from(max))
            .fetch_all(self.reader()).await?;
        rows.iter().map(AdmittedApplication::from_row).collect()
    }

    /// Returns how many applications have not ended.
    pub async fn open_applications(&self, event: &EventId) -> Result<OpenApplications, Error> {
        // Three counts, each over its own index: ended applications are most of a big event and are not read.
        let row = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM application WHERE event = $1 AND state = 'called') AS called,
                    (SELECT COUNT(*) FROM application WHERE event = $1 AND state IN ('ordering', 'undoing')) AS under_way,
                    (SELECT COUNT(*) FROM application WHERE event = $1 AND state = 'parked') AS parked",
        )
        .bind(event.as_str()).fetch_one(self.reader()).await?;
        Ok(OpenApplications {
            called: count(&row, "called")?,
            under_way: count(&row, "under_way")?,
            parked: count(&row, "parked")?,
        })
    }
}
