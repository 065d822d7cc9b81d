//! The projection of outcomes into the queue.

use domain::{AppKey, Epoch, EventId, Number, Outcome};
use serde_json::json;
use sqlx::any::AnyRow;

use crate::store::column::{impossible, maybe_text, number, parsed, text};
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::tables::event::lock_event;

/// An outcome to project into the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeProjection {
    /// The key of the application.
    pub app_key: AppKey,
    /// The number of the application.
    pub number: Number,
    /// The outcome.
    pub outcome: Outcome,
    /// The order number, if ordered.
    pub order_no: Option<String>,
}

impl OutcomeProjection {
    fn from_row(row: &AnyRow) -> Result<Self, Error> {
        let outcome = text(row, "outcome")?;
        Ok(Self {
            app_key: parsed(row, "app_key")?,
            number: number(row)?,
            outcome: Outcome::parse(&outcome).ok_or_else(|| impossible("outcome", &outcome))?,
            order_no: maybe_text(row, "order_no")?,
        })
    }
}

impl Ledger {
    /// Returns outcomes that are not yet projected into the queue of this epoch, at most `max`: new ones, and all of them in a new
    /// epoch, since the queue may have lost some.
    pub async fn unprojected_outcomes(
        &self,
        event: &EventId,
        epoch: Epoch,
        max: u32,
    ) -> Result<Vec<OutcomeProjection>, Error> {
        let rows = sqlx::query(
            "SELECT app_key, number, outcome, order_no FROM application
             WHERE event = $1 AND outcome IS NOT NULL AND projected_epoch < $2 LIMIT $3",
        )
        .bind(event.as_str())
        .bind(i64::from(epoch.0))
        .bind(i64::from(max))
        .fetch_all(self.reader())
        .await?;
        rows.iter().map(OutcomeProjection::from_row).collect()
    }

    /// Marks these outcomes as projected. An outcome that has changed meanwhile stays unprojected.
    pub async fn mark_projected(
        &self,
        event: &EventId,
        epoch: Epoch,
        projected: &[OutcomeProjection],
    ) -> Result<(), Error> {
        if projected.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        // The update locks many rows: without this lock a former leader could run into a deadlock with the next one.
        lock_event(&mut tx, event).await?;
        let json = |one: &OutcomeProjection| json!({ "key": one.app_key.to_string(), "outcome": one.outcome.as_str() });
        sqlx::query(
            "UPDATE application SET projected_epoch = $3 FROM json_each($2) AS one
             WHERE event = $1 AND app_key = one.value ->> 'key' AND outcome = one.value ->> 'outcome'",
        )
        .bind(event.as_str())
        .bind(json!(projected.iter().map(json).collect::<Vec<_>>()).to_string())
        .bind(i64::from(epoch.0))
        .execute(&mut *tx)
        .await?;
        tx.commit().await
    }
}
