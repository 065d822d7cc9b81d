//! The result of an event: how many applications there are in each state, and whether every number that was given is accounted for.

use domain::EventId;
use sqlx::any::AnyRow;

use crate::leader::queue_status::QueueStatus;
use crate::store::column::{int, maybe_int, maybe_text, text};
use crate::store::error::Error;
use crate::store::ledger::Ledger;

/// The applications of an event by state and outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventResult {
    /// Numbers that the queue gave, without skipped ones.
    pub accepted: i64,
    /// Ended with an order.
    pub ordered: i64,
    /// Ended with a rejection.
    pub rejected: i64,
    /// Ended by a cancellation, before or after their admission.
    pub cancelled: i64,
    /// Ended since the applicant did not confirm in time.
    pub expired: i64,
    /// Admitted, and not ended: called, ordering or undoing.
    pub under_way: i64,
    /// Admitted, and to be decided by an operator.
    pub parked: i64,
    /// Not admitted yet. Once the event is settled, these are sold out.
    pub waiting: i64,
    /// When the first and the last application that is ordered now got its order.
    pub ordered_between: Option<(i64, i64)>,
}

impl EventResult {
    /// Numbers that are in no state. A cancellation of a waiting application that the leader handles in this second is one of them, and
    /// an application that the queue lost and that is not restored.
    pub fn unaccounted(&self) -> i64 {
        let Self { ordered, rejected, cancelled, expired, under_way, parked, waiting, .. } = self;
        self.accepted - (ordered + rejected + cancelled + expired + under_way + parked + waiting)
    }

    fn count(&mut self, row: &AnyRow) -> Result<(), Error> {
        let applications = int(row, "applications")?;
        let count = match (text(row, "state")?.as_str(), maybe_text(row, "outcome")?.as_deref()) {
            ("parked", _) => &mut self.parked,
            ("ended", Some("ordered")) => {
                self.ordered_between = maybe_int(row, "first")?.zip(maybe_int(row, "last")?);
                &mut self.ordered
            }
            ("ended", Some("rejected")) => &mut self.rejected,
            ("ended", Some("cancelled")) => &mut self.cancelled,
            ("ended", Some("expired")) => &mut self.expired,
            _ => &mut self.under_way,
        };
        *count += applications;
        Ok(())
    }

    /// Adds the numbers of the queue: those above `admitted_through` wait, except for the ones that the ledger knows, which have been
    /// withdrawn or admitted since. Of these, `newer` have numbers that were given after the status.
    fn count_queue(&mut self, status: &QueueStatus, known_above: i64, newer: i64) {
        self.accepted = i64::from(status.seq) - i64::from(status.skipped_numbers) + newer;
        self.waiting = i64::from(status.waiting) + newer - known_above;
    }
}

impl Ledger {
    /// Counts the applications of an event. It reads all of its rows.
    pub async fn result(&self, event: &EventId) -> Result<EventResult, Error> {
        // First the queue's status: all numbers up to its `admitted_through` are in the ledger before the leader writes it.
        let status = self.queue_status(event).await?;
        let above = status.as_ref().map_or(0, |status| i64::from(status.admitted_through));
        let seq = status.as_ref().map_or(0, |status| i64::from(status.seq));
        let rows = self.counts(event, above, seq).await?;
        let mut result = EventResult::default();
        let (mut known_above, mut newer) = (0, 0);
        for row in &rows {
            result.count(row)?;
            known_above += int(row, "above")?;
            newer += int(row, "newer")?;
        }
        if let Some(status) = &status {
            result.count_queue(status, known_above, newer);
        }
        Ok(result)
    }

    async fn counts(&self, event: &EventId, above: i64, seq: i64) -> Result<Vec<AnyRow>, Error> {
        let sql =
            "SELECT state, outcome, COUNT(*) AS applications, MIN(ended_at) AS first, MAX(ended_at) AS last,
                          CAST(SUM(CASE WHEN number > $2 THEN 1 ELSE 0 END) AS BIGINT) AS above,
                          CAST(SUM(CASE WHEN number > $3 THEN 1 ELSE 0 END) AS BIGINT) AS newer
                   FROM application WHERE event = $1 GROUP BY state, outcome";
        Ok(sqlx::query(sql).bind(event.as_str()).bind(above).bind(seq).fetch_all(self.reader()).await?)
    }
}
