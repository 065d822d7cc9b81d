//! What the operator API answers: an event with its figures, and a change. The ledger's own times are told as RFC 3339.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use axum::http::{HeaderName, HeaderValue, header};
use domain::event::Text;
use domain::{EventState, Kind, Millis, Release};
use ledger::{AuditRow, LedgerEvent, QueueStatus};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::error::Error;
use crate::state::{Figures, OperatorState};
use crate::timestamp::written;

/// The fields of the ledger that are times.
const TIMES: [&str; 3] = ["opens_at", "closes_at", "recover_until"];

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Words {
    ko: String,
    en: String,
}

impl From<Text> for Words {
    fn from(Text { ko, en }: Text) -> Self {
        Self { ko, en }
    }
}

/// Seats by state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct SeatsShown {
    /// Nobody's yet.
    free: u32,
    /// An order is under way, or parked.
    held: u32,
    /// Ordered.
    sold: u32,
}

/// Applications in the ledger that have not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct UnderWay {
    /// Their order call is not answered yet.
    ordering: u32,
    /// Called too often without an answer: only an operator, or the applicant, takes them on.
    parked: u32,
}

/// The queue, as its leader saw it last.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct QueueShown {
    /// When; the leader writes it once a second.
    #[schema(format = DateTime)]
    at: String,
    /// The queue's epoch; it rises when the queue may have lost something.
    epoch: u32,
    /// Where the event stands by the queue's clock.
    #[schema(value_type = String)]
    state: &'static str,
    /// The last number given or skipped.
    seq: u32,
    /// Everybody up to here was admitted, withdrew, or is nobody.
    admitted_through: u32,
    /// Numbers that still wait; some may have withdrawn.
    waiting: u32,
    /// The last number given before the queue closed.
    closed_seq: Option<u32>,
    /// Skipped numbers: nobody's, or those of applicants whom the queue forgot and who have not come back.
    missing: u32,
    /// Whether the queue takes applications.
    armed: bool,
    /// Seats sold per second, lately.
    ordered_per_s: f64,
    /// How long the first in line has waited.
    oldest_wait_ms: Option<i64>,
}

impl From<QueueStatus> for QueueShown {
    fn from(queue: QueueStatus) -> Self {
        Self {
            at: written(queue.at),
            epoch: queue.epoch.0,
            state: queue.state.as_str(),
            seq: queue.seq,
            admitted_through: queue.admitted_through,
            waiting: queue.waiting,
            closed_seq: queue.closed_seq,
            missing: queue.missing,
            armed: queue.armed,
            ordered_per_s: f64::from(queue.ordered_milli_per_s) / 1000.0,
            oldest_wait_ms: queue.oldest_wait_ms,
        }
    }
}

/// An event: its settings as of `rev`, and how it goes.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct EventShown {
    id: String,
    /// Rises with every change of a setting.
    pub(crate) rev: i64,
    /// `scheduled`, `open`, `closed`, `settling` or `settled`, by its times.
    #[schema(value_type = String)]
    state: &'static str,
    title: Words,
    #[schema(value_type = String)]
    kind: Kind,
    capacity: u32,
    #[schema(format = DateTime)]
    opens_at: String,
    #[schema(format = DateTime)]
    closes_at: String,
    /// Whether people may apply while it is open.
    intake: bool,
    /// `running`, `paused` or `draining`.
    #[schema(value_type = String)]
    release: Release,
    /// Order calls started per second, as a decimal.
    pace: String,
    in_flight_max: u32,
    applications_max: u32,
    announcement: Words,
    settle_after_close: bool,
    diverts: Vec<String>,
    seats: SeatsShown,
    under_way: UnderWay,
    /// None before a worker has led the event.
    queue: Option<QueueShown>,
    /// Why nobody is admitted, if so: the queue contradicts the ledger, and an operator must look.
    frozen: Option<String>,
    /// Until then nobody is admitted: the queue forgot somebody, who may still show a receipt.
    #[schema(format = DateTime)]
    recover_until: Option<String>,
}

impl EventShown {
    fn new(
        event: LedgerEvent,
        state: EventState,
        figures: Figures,
        queue: Option<QueueStatus>,
        now: Millis,
    ) -> Self {
        let settings = event.settings;
        let seats = figures.seats;
        Self {
            id: settings.id.to_string(),
            rev: event.rev,
            state: state.as_str(),
            title: settings.title.into(),
            kind: settings.kind,
            capacity: settings.capacity,
            opens_at: written(settings.opens_at),
            closes_at: written(settings.closes_at),
            intake: settings.intake,
            release: settings.release,
            pace: settings.pace.to_string(),
            in_flight_max: settings.in_flight_max,
            applications_max: settings.applications_max,
            announcement: settings.announcement.into(),
            settle_after_close: settings.settle_after_close,
            diverts: settings.diverts,
            seats: SeatsShown { free: seats.free, held: seats.held, sold: seats.sold },
            under_way: UnderWay { ordering: figures.ordering, parked: figures.parked },
            queue: queue.map(Into::into),
            frozen: event.frozen,
            recover_until: (event.recover_until > now).then(|| written(event.recover_until)),
        }
    }

    /// Its tag: the rev, which `If-Match` compares, and a mark of all the rest, which `If-None-Match` does.
    pub(crate) fn etag(&self) -> (HeaderName, HeaderValue) {
        let mut hasher = DefaultHasher::new();
        serde_json::to_vec(self).unwrap_or_default().hash(&mut hasher);
        tag(&format!("{}-{:x}", self.rev, hasher.finish()))
    }
}

fn tag(text: &str) -> (HeaderName, HeaderValue) {
    let Ok(value) = HeaderValue::try_from(format!("\"{text}\"")) else {
        unreachable!("digits and letters fit in a header")
    };
    (header::ETAG, value)
}

/// A change, as it stands in the audit.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct ChangeShown {
    event: String,
    /// The event's rev after it.
    rev: i64,
    /// Rises with every change, so it names the change.
    #[schema(format = DateTime)]
    at: String,
    actor: String,
    action: String,
    /// May be empty.
    reason: String,
    /// The fields that changed, as they were.
    #[schema(value_type = Object)]
    before: Value,
    /// The same fields, as they are now.
    #[schema(value_type = Object)]
    after: Value,
    /// False if it was so already: then nothing was changed, and there is no row in the audit.
    changed: bool,
}

impl ChangeShown {
    /// A row of the audit.
    pub(crate) fn of(row: AuditRow) -> Self {
        Self {
            event: row.event.to_string(),
            rev: row.rev,
            at: written(row.at),
            actor: row.actor,
            action: row.action,
            reason: row.reason,
            before: fields(row.before),
            after: fields(row.after),
            changed: true,
        }
    }

    /// Nothing had to be changed.
    pub(crate) fn none(event: &LedgerEvent, action: &str, actor: &str, now: Millis) -> Self {
        Self {
            event: event.settings.id.to_string(),
            rev: event.rev,
            at: written(now),
            actor: actor.to_owned(),
            action: action.to_owned(),
            reason: String::new(),
            before: fields(Value::Null),
            after: fields(Value::Null),
            changed: false,
        }
    }

    /// The tag of the event after it.
    pub(crate) fn etag(&self) -> (HeaderName, HeaderValue) {
        tag(&self.rev.to_string())
    }
}

/// An object with its times written out; a new event has nothing before.
fn fields(value: Value) -> Value {
    let Value::Object(mut fields) = value else { return Value::Object(serde_json::Map::new()) };
    for name in TIMES {
        let at = fields.get(name).and_then(Value::as_i64);
        if let Some(at) = at {
            // Zero and the past say that nobody is waited for.
            let told = if name == "recover_until" && at == 0 { Value::Null } else { written(at).into() };
            fields.insert(name.to_owned(), told);
        }
    }
    Value::Object(fields)
}

impl OperatorState {
    /// The event with its figures.
    pub(crate) async fn response(&self, event: LedgerEvent) -> Result<EventShown, Error> {
        let figures = self.figures(&event).await?;
        let queue = self.queue(&event.settings.id).await?;
        let now = (self.now)();
        let state = event.state.at(&event.settings, now);
        Ok(EventShown::new(event, state, figures, queue, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_times_of_a_change_are_told_as_times() {
        let told = fields(json!({"opens_at": 1_795_950_000_000_i64, "recover_until": 0, "capacity": 7}));
        let expected = json!({"opens_at": "2026-11-29T11:00:00.000Z", "recover_until": null, "capacity": 7});
        assert_eq!(told, expected);
        assert_eq!(fields(Value::Null), json!({}));
    }
}
