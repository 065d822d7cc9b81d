//! An event: its settings at a rev, its figures, and the queue as the leader reported it last.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use axum::http::{HeaderName, HeaderValue};
use domain::event::Text;
use domain::{AutoPace, EventState, Identity, Kind, Millis, Release};
use ledger::{EventRow, QueueStatus};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::etag::etag;
use crate::figures::EventFigures;
use crate::timestamp;

/// A text in both languages of the pages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LocalizedText {
    /// Korean.
    pub ko: String,
    /// English.
    pub en: String,
}

impl LocalizedText {
    /// The text in a language: English for the tag `en`, Korean for any other.
    pub(crate) fn in_language(&self, tag: &str) -> &str {
        if tag == "en" { &self.en } else { &self.ko }
    }
}

impl From<Text> for LocalizedText {
    fn from(Text { ko, en }: Text) -> Self {
        Self { ko, en }
    }
}

/// Seats by state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SeatCounts {
    /// Not assigned.
    pub free: u32,
    /// Assigned to an application that is being ordered, or parked.
    pub held: u32,
    /// Ordered.
    pub sold: u32,
}

/// Admitted applications that have not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PendingCounts {
    /// The applicant is called and has not confirmed.
    pub called: u32,
    /// The order call got no response yet.
    pub ordering: u32,
    /// Its order calls got no clear response too often: an operator or the applicant must end it.
    pub parked: u32,
}

/// The queue as its leader reported it last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QueueResponse {
    /// When; the leader reports once a second.
    #[schema(format = DateTime)]
    pub at: String,
    /// The queue's epoch; it rises when the queue may have lost something.
    pub epoch: u32,
    /// The event's state by the queue's clock.
    #[schema(value_type = String)]
    pub state: EventState,
    /// The last number given or skipped.
    pub seq: u32,
    /// Up to this number, every application was admitted or withdrew.
    pub admitted_through: u32,
    /// Waiting numbers, including those of applications that withdrew.
    pub waiting: u32,
    /// The last number given before the queue closed.
    pub closed_seq: Option<u32>,
    /// Numbers that were skipped after a loss: unused, or of applications that have not been restored.
    pub skipped_numbers: u32,
    /// Whether the queue accepts applications.
    pub armed: bool,
    /// Seats sold per second over the last ten seconds.
    pub ordered_per_s: f64,
    /// How long the first waiting application has waited, in milliseconds; null if unknown.
    pub oldest_wait_ms: Option<i64>,
}

impl From<QueueStatus> for QueueResponse {
    fn from(queue: QueueStatus) -> Self {
        Self {
            at: timestamp::format(queue.at),
            epoch: queue.epoch.0,
            state: queue.state,
            seq: queue.seq,
            admitted_through: queue.admitted_through,
            waiting: queue.waiting,
            closed_seq: queue.closed_seq,
            skipped_numbers: queue.skipped_numbers,
            armed: queue.armed,
            ordered_per_s: f64::from(queue.sold_milli_per_s) / 1000.0,
            oldest_wait_ms: queue.oldest_wait_ms,
        }
    }
}

/// The rules of the automatic pace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AutoPaceResponse {
    /// The lowest pace, with which the release also resumes after a pause.
    pub min: String,
    /// The highest pace.
    pub max: String,
    /// The latency, in milliseconds, that 95 % of the order calls should not exceed.
    pub target_p95_ms: u32,
}

impl From<AutoPace> for AutoPaceResponse {
    fn from(auto: AutoPace) -> Self {
        let AutoPace { min, max, target_p95_ms } = auto;
        Self { min: min.to_string(), max: max.to_string(), target_p95_ms }
    }
}

/// An event: its settings at `rev`, and its figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventResponse {
    /// The event's id.
    pub id: String,
    /// Rises with every change of a setting.
    pub rev: i64,
    /// `scheduled`, `open`, `closed`, `settling` or `settled`, by the event's times.
    #[schema(value_type = String)]
    pub state: EventState,
    /// The title.
    pub title: LocalizedText,
    /// What happens to an application that is admitted: `order` makes the order at once, `confirm` waits for the applicant,
    /// `pass` lets the applicant order at the shop.
    #[schema(value_type = String)]
    pub kind: Kind,
    /// In kind `pass`, the shop's page where applicants with a pass order.
    pub pass_target: Option<String>,
    /// How long a called applicant has, in milliseconds.
    pub called_for_ms: i64,
    /// By how much a called applicant may extend that time, once, in milliseconds; 0 allows none.
    pub extension_ms: i64,
    /// Seats.
    pub capacity: u32,
    /// When applying becomes possible.
    #[schema(format = DateTime)]
    pub opens_at: String,
    /// When applying ends, for good.
    #[schema(format = DateTime)]
    pub closes_at: String,
    /// Whether the event accepts applications while it is open.
    pub intake: bool,
    /// `running`, `paused` or `draining`.
    #[schema(value_type = String)]
    pub release: Release,
    /// Order calls started per second, as a decimal.
    pub pace: String,
    /// How the pace moves by itself; null if only operators move it.
    pub auto_pace: Option<AutoPaceResponse>,
    /// The maximum number of order calls of this event in flight, over all workers.
    pub in_flight_max: u32,
    /// The maximum count of numbers that the queue gives.
    pub applications_max: u32,
    /// The operator's text on the applicants' pages.
    pub announcement: LocalizedText,
    /// What the event is about: plain text with line breaks.
    pub description: LocalizedText,
    /// The color of the pages as the operator set it, such as `#1d4ed8`; empty if none.
    pub color: String,
    /// The address of the picture on the event's page; empty if none.
    pub picture_url: String,
    /// The name of the product.
    pub product_name: LocalizedText,
    /// The price of the product in won; 0 if it is not shown.
    pub product_price: u32,
    /// The page of the product in the shop; empty if none.
    pub product_url: String,
    /// Whether the event settles by itself after closing.
    pub settle_after_close: bool,
    /// Paths of the shop that are diverted to the event's page.
    pub diverts: Vec<String>,
    /// Who an applicant is: `open` or `member`.
    #[schema(value_type = String)]
    pub identity: Identity,
    /// Seats by state.
    pub seats: SeatCounts,
    /// Admitted applications that have not ended.
    pub under_way: PendingCounts,
    /// Null before a worker has led the event.
    pub queue: Option<QueueResponse>,
    /// Why no application is admitted: the queue contradicts the ledger, and an operator must look.
    pub frozen: Option<String>,
    /// Until then no application is admitted: the queue lost some, and shown receipts restore them.
    #[schema(format = DateTime)]
    pub recover_until: Option<String>,
    /// The journals of signup services that are missing since the queue lost applications. No application is admitted meanwhile.
    pub missing_journals: Vec<String>,
}

impl EventResponse {
    pub(crate) fn new(
        event: EventRow,
        figures: EventFigures,
        queue: Option<QueueStatus>,
        missing_journals: Vec<String>,
        now: Millis,
    ) -> Self {
        let state = event.state.at(&event.settings, now);
        let settings = event.settings;
        let EventFigures { seats, called, ordering, parked } = figures;
        Self {
            id: settings.id.to_string(),
            rev: event.rev,
            state,
            title: settings.title.into(),
            kind: settings.kind,
            pass_target: Some(settings.pass_target).filter(|target| !target.is_empty()),
            called_for_ms: settings.called_for_ms,
            extension_ms: settings.extension_ms,
            capacity: settings.capacity,
            opens_at: timestamp::format(settings.opens_at),
            closes_at: timestamp::format(settings.closes_at),
            intake: settings.intake,
            release: settings.release,
            pace: settings.pace.to_string(),
            auto_pace: settings.auto_pace.map(Into::into),
            in_flight_max: settings.in_flight_max,
            applications_max: settings.applications_max,
            announcement: settings.announcement.into(),
            description: settings.look.description.into(),
            color: settings.look.color,
            picture_url: settings.look.picture_url,
            product_name: settings.look.product_name.into(),
            product_price: settings.look.product_price,
            product_url: settings.look.product_url,
            settle_after_close: settings.settle_after_close,
            diverts: settings.diverts,
            identity: settings.identity,
            seats: SeatCounts { free: seats.free, held: seats.held, sold: seats.sold },
            under_way: PendingCounts { called, ordering, parked },
            queue: queue.map(Into::into),
            frozen: event.frozen,
            missing_journals,
            recover_until: (event.recover_until > now).then(|| timestamp::format(event.recover_until)),
        }
    }

    /// The tag: the rev, which `If-Match` compares, and a hash of everything else, which `If-None-Match` compares.
    pub(crate) fn etag(&self) -> (HeaderName, HeaderValue) {
        let mut hasher = DefaultHasher::new();
        serde_json::to_vec(self).unwrap_or_default().hash(&mut hasher);
        etag(&format!("{}-{:x}", self.rev, hasher.finish()))
    }
}

/// Events, by id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventList {
    /// The events.
    pub items: Vec<EventResponse>,
    /// The cursor of the next page; null on the last.
    pub next_cursor: Option<String>,
}
