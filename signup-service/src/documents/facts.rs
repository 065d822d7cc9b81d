//! The public facts of events.

use domain::event::Text;
use domain::{EventState, Millis, Stock};
use serde::Serialize;
use utoipa::ToSchema;

/// A text in both languages of the pages.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a type of `domain`")]
pub(super) struct BothLanguages {
    ko: String,
    en: String,
}

/// Public facts of an event.
#[derive(Serialize, ToSchema)]
pub(crate) struct EventFacts<'a> {
    pub(super) event: &'a str,
    #[schema(value_type = BothLanguages)]
    pub(super) title: &'a Text,
    #[schema(value_type = String, pattern = "^(scheduled|open|closed|settling|settled)$")]
    pub(super) state: EventState,
    #[schema(value_type = String, pattern = "^(available|sold_out)$")]
    pub(super) stock: Stock,
    pub(super) capacity: u32,
    pub(super) intake: bool,
    pub(super) opens_at_ms: Millis,
    pub(super) closes_at_ms: Millis,
    #[schema(value_type = BothLanguages)]
    pub(super) announcement: &'a Text,
    /// The address of the event's page.
    pub(super) page: String,
}

/// Public facts of all events.
#[derive(Serialize, ToSchema)]
pub(crate) struct PublicEventList<'a> {
    pub(crate) events: Vec<EventFacts<'a>>,
}
