//! The progress of an event: the document that pages poll.

use domain::event::Text;
use domain::{EventState, Gap, Millis, Stock};
use serde::Serialize;
use utoipa::ToSchema;

use super::admission_rate::AdmissionRate;
use super::document::Document;
use super::facts::BothLanguages;
use crate::config::Config;

/// How often a page far from the head polls while the last seats are taken, in milliseconds.
const LAST_SEATS_FAR_MS: i64 = 2000;

/// How often to poll.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(crate) struct PollIntervals {
    /// Near the head of the queue.
    near_ms: i64,
    /// Far from the head.
    far_ms: i64,
}

impl PollIntervals {
    /// The configured intervals, or shorter ones if the last seats are almost gone.
    pub(super) fn of(config: &Config, ends_soon: bool) -> Self {
        let far_ms = if ends_soon { config.poll_far_ms.min(LAST_SEATS_FAR_MS) } else { config.poll_far_ms };
        Self { near_ms: config.poll_near_ms.min(far_ms), far_ms }
    }
}

/// The progress of an event, the same for all applicants. With a number, it tells how many are ahead.
#[derive(Clone, Copy, Serialize, ToSchema)]
pub(crate) struct EventProgress<'a> {
    pub(super) event: &'a str,
    /// The queue's epoch.
    pub(super) epoch: u32,
    #[schema(value_type = String, pattern = "^(scheduled|open|closed|settling|settled)$")]
    pub(super) state: EventState,
    /// `sold_out` is not final: a seat may come back.
    #[schema(value_type = String, pattern = "^(available|sold_out)$")]
    pub(super) stock: Stock,
    pub(super) capacity: u32,
    pub(super) sold: u32,
    pub(super) last_number: u32,
    /// Every number up to this one has been admitted or skipped.
    pub(super) admitted_through: u32,
    /// Skipped numbers, which have no application.
    #[schema(value_type = Vec<SkippedNumbers>)]
    pub(super) gaps: &'a [Gap],
    /// Order calls started per second.
    pub(super) pace: f64,
    /// Applications admitted per second, at least and at most: the set pace or less, as measured over the last minute. `null` while that
    /// is unknown, because admission is paused, has no seats left, or stalls.
    #[schema(inline)]
    pub(super) admission_rate: Option<AdmissionRate>,
    pub(super) paused: bool,
    pub(super) intake: bool,
    #[schema(value_type = BothLanguages)]
    pub(super) announcement: &'a Text,
    pub(super) opens_at_ms: Millis,
    pub(super) closes_at_ms: Millis,
    /// When to poll again.
    pub(super) poll: PollIntervals,
    pub(super) server_time_ms: Millis,
    /// The age of `sold`.
    pub(super) ledger_age_ms: Millis,
}

/// A range of numbers, both ends included.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a type of `domain`")]
struct SkippedNumbers {
    from: u32,
    to: u32,
}

impl EventProgress<'_> {
    /// The document. Its tag leaves out the two fields that change every millisecond: otherwise no poll would get 304. The tag of
    /// an event whose ledger is silent still changes every 5 s.
    pub(super) fn into_document(self) -> Document {
        let tagged = Self { server_time_ms: 0, ledger_age_ms: 0, ..self };
        Document::tagged_as(&self, &tagged, self.ledger_age_ms / 5000)
    }
}
