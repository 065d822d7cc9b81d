//! One application with what happened to it, without personal data.

use domain::{DomainEvent, Millis, Outcome};
use ledger::{ApplicationRow, AuditRow, QueueStatus};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::result::end_reason;
use crate::timestamp;

/// Something that happened to an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TimelineEntry {
    /// When, by the ledger's clock.
    #[schema(format = DateTime)]
    pub at: String,
    /// `admitted`, `ended`, the name of a domain event, such as `application.ordered`, or an operator's `retry` or `reject`.
    pub what: String,
    /// Who decided it, why, or the order number; may be empty.
    pub detail: String,
}

/// One application with its timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApplicationTimeline {
    /// The event.
    pub event: String,
    /// The number in the queue.
    pub number: u32,
    /// The GUID, as on the applicant's page and in logs; null while only the queue has the application.
    pub guid: Option<String>,
    /// `waiting`, `sold_out`, or the state in the ledger.
    pub state: String,
    /// `ordered`, `rejected`, `cancelled`, `expired` or `sold_out`.
    pub outcome: Option<String>,
    /// Who ended it, if it ended without an order.
    pub reason: String,
    /// The order number.
    pub order_no: Option<String>,
    /// Order calls since the application entered its state.
    pub order_calls: u32,
    /// For an application that waits: the numbers before it that are not admitted yet, at most.
    pub ahead: Option<u32>,
    /// What happened, oldest first. Domain events are deleted some time after the event is settled.
    pub timeline: Vec<TimelineEntry>,
}

impl ApplicationTimeline {
    /// An application of the ledger.
    pub(crate) fn of_row(row: &ApplicationRow, events: &[DomainEvent], decisions: &[AuditRow]) -> Self {
        Self {
            event: row.event.to_string(),
            number: row.number.get(),
            guid: Some(row.app_key.guid()),
            state: row.state.as_str().to_owned(),
            outcome: row.outcome.map(|outcome| outcome.as_str().to_owned()),
            reason: end_reason(row).to_owned(),
            order_no: row.order_no.clone(),
            order_calls: row.attempts,
            ahead: None,
            timeline: entries(row, events, decisions),
        }
    }

    /// An application that only the queue has: `None` if the queue has not given this number.
    pub(crate) fn of_queue(event: &str, number: u32, queue: &QueueStatus, is_settled: bool) -> Option<Self> {
        if number == 0 || number > queue.seq {
            return None;
        }
        let sold_out = Outcome::SoldOut.as_str();
        let state = if is_settled { sold_out } else { "waiting" };
        Some(Self {
            event: event.to_owned(),
            number,
            guid: None,
            state: state.to_owned(),
            outcome: is_settled.then(|| sold_out.to_owned()),
            reason: String::new(),
            order_no: None,
            order_calls: 0,
            ahead: (!is_settled).then(|| number.saturating_sub(queue.admitted_through + 1)),
            timeline: Vec::new(),
        })
    }
}

/// What happened to an application of the ledger, oldest first.
fn entries(row: &ApplicationRow, events: &[DomainEvent], decisions: &[AuditRow]) -> Vec<TimelineEntry> {
    let has_end = events.iter().any(|event| event.kind.outcome().is_some());
    let admitted =
        (row.ended_at != Some(row.admitted_at)).then_some((row.admitted_at, "admitted", String::new()));
    let ended = row.ended_at.filter(|_| !has_end).map(|at| (at, "ended", String::new()));
    let published = events.iter().map(|event| (event.at, event.kind.as_str(), detail(&event.data)));
    let decided = decisions.iter().map(|row| (row.at, row.action.as_str(), decision(row)));
    let mut all: Vec<_> = admitted.into_iter().chain(published).chain(decided).chain(ended).collect();
    all.sort_by_key(|(at, ..)| *at);
    let entry = |(at, what, detail): (Millis, &str, String)| TimelineEntry {
        at: timestamp::format(at),
        what: what.to_owned(),
        detail,
    };
    all.into_iter().map(entry).collect()
}

fn decision(row: &AuditRow) -> String {
    let reason = if row.reason.is_empty() { String::new() } else { format!(": {}", row.reason) };
    format!("{}{reason}", row.actor)
}

/// The fields of a domain event that tell more than its name.
fn detail(data: &str) -> String {
    let data: Value = serde_json::from_str(data).unwrap_or_default();
    let own = ["order_no", "by", "reason"].iter().filter_map(|name| data[*name].as_str());
    own.collect::<Vec<_>>().join(" ")
}
