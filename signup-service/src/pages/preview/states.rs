//! All states of the pages.

use domain::{Outcome, Release};
use serde_json::{Value, json};

use super::sample::{APPLICANTS_NUMBER, Moment, SampleEvent};
use crate::application::PublicState;
use crate::error::{Error, InvalidField, InvalidFieldCode};
use crate::messages::{PageText, fill};

/// A state with its page.
pub(super) struct SampleState {
    /// The name in the address.
    pub(super) name: &'static str,
    /// The page as the server renders it.
    pub(super) html: fn(&SampleEvent<'_>) -> String,
    /// What the page's script adds to it.
    pub(super) shown: fn(&'static PageText) -> Shown,
}

/// What a script shows: texts by the ids of their elements, and a button that cannot be pressed.
#[derive(Default)]
pub(super) struct Shown {
    texts: Vec<(&'static str, String)>,
    visible: Vec<&'static str>,
    button_is_off: bool,
}

impl Shown {
    pub(super) fn to_json(&self) -> Value {
        let texts: serde_json::Map<_, _> =
            self.texts.iter().map(|(id, text)| ((*id).to_owned(), json!(text))).collect();
        json!({ "put": texts, "show": self.visible, "off": self.button_is_off })
    }

    fn text(mut self, id: &'static str, text: impl Into<String>) -> Self {
        self.texts.push((id, text.into()));
        self
    }

    fn visible(mut self, ids: &[&'static str]) -> Self {
        self.visible.extend(ids);
        self
    }

    fn off(self) -> Self {
        Self { button_is_off: true, ..self }
    }
}

fn nothing(_: &'static PageText) -> Shown {
    Shown::default()
}

/// The buttons that need a script.
fn tools(_: &'static PageText) -> Shown {
    Shown::default().visible(&["copy", "copy-link", "share", "print"])
}

const fn state(
    name: &'static str,
    html: fn(&SampleEvent<'_>) -> String,
    shown: fn(&'static PageText) -> Shown,
) -> SampleState {
    SampleState { name, html, shown }
}

impl SampleState {
    /// All states, in the order in which an applicant may see them.
    pub(super) const ALL: &[Self] = &[
        state(
            "before",
            |event| event.event_page(Moment::Before, |page| page),
            |text| {
                let clock = fill(text.clock, &[("t", "19:58:20"), ("e", "0.1")]);
                let label = fill(text.apply_before, &[("time", text_of_eight(text))]);
                Shown::default().text("server-clock", clock).text("apply-label", label).off()
            },
        ),
        state("open", |event| event.event_page(Moment::Open, |page| page), nothing),
        state("open-look", |event| event.with_look().event_page(Moment::Open, |page| page), nothing),
        state("invalid", |event| event.refused(&invalid_fields()), nothing),
        state(
            "applying",
            |event| event.event_page(Moment::Open, |page| page.with_phase("applying", |text| text.applying)),
            |text| Shown::default().text("apply-label", text.applying.title).off(),
        ),
        state(
            "shed",
            |event| event.refused(&Error::Busy),
            |text| {
                let retry = fill(text.retry_in, &[("s", "3"), ("n", "2")]);
                Shown::default().text("retry", retry).visible(&["retry"])
            },
        ),
        state(
            "unknown",
            |event| event.refused(&Error::OutcomeUnknown),
            |text| {
                let retry = fill(text.retry_in, &[("s", "4"), ("n", "3")]);
                Shown::default().text("retry", retry).visible(&["retry"])
            },
        ),
        state(
            "slow",
            |event| event.refused(&Error::TooManyAttempts { retry_s: 8 }),
            |text| Shown::default().text("apply-label", text.too_many_attempts.title).off(),
        ),
        state("full", |event| event.refused(&Error::QueueFull), nothing),
        state(
            "hold",
            |event| event.event_page(Moment::OnHold, |page| page),
            |text| Shown::default().text("apply-label", text.apply_hold).off(),
        ),
        state("open-sold-out", |event| event.event_page(Moment::SoldOut, |page| page), nothing),
        state(
            "offline-before",
            |event| event.event_page(Moment::Open, |page| page),
            |text| Shown::default().text("offline", text.offline_before).visible(&["offline"]),
        ),
        state("closed", |event| event.event_page(Moment::Closed, |page| page), nothing),
        state("no-match", |event| event.find_refused(&Error::NoMatch), nothing),
        state("waiting", |event| event.receipt_page(Moment::Open, PublicState::Waiting, false), tools),
        state(
            "waiting-look",
            |event| event.with_look().receipt_page(Moment::Open, PublicState::Waiting, false),
            tools,
        ),
        state(
            "waitlisted",
            |event| {
                event.with(|settings| settings.capacity = APPLICANTS_NUMBER - 1207).receipt_page(
                    Moment::Open,
                    PublicState::Waiting,
                    false,
                )
            },
            tools,
        ),
        state(
            "paused",
            |event| {
                let paused = event.with(|settings| settings.release = Release::Paused);
                paused.announced().receipt_page(Moment::Open, PublicState::Waiting, false)
            },
            tools,
        ),
        state(
            "claimed",
            |event| {
                event.with(|settings| settings.capacity = APPLICANTS_NUMBER - 37).receipt_page(
                    Moment::SoldOut,
                    PublicState::Waiting,
                    false,
                )
            },
            tools,
        ),
        state(
            "offline",
            |event| event.receipt_page(Moment::Open, PublicState::Waiting, false),
            |text| tools(text).text("offline", text.offline).visible(&["offline"]),
        ),
        state(
            "stale",
            |event| event.receipt_page(Moment::Open, PublicState::Waiting, false),
            |text| tools(text).text("offline", text.stale).visible(&["offline"]),
        ),
        state(
            "waiting-to-confirm",
            |event| event.calling().receipt_page(Moment::Open, PublicState::Waiting, false),
            tools,
        ),
        state("called", |event| event.calling().called(false), tools),
        state("called-extended", |event| event.calling().called(true), tools),
        state(
            "waiting-to-order",
            |event| event.with_passes().receipt_page(Moment::Open, PublicState::Waiting, false),
            tools,
        ),
        state("called-to-order", |event| event.with_passes().called(false), tools),
        state("handover", |event| event.with_passes().handover_page("preview"), nothing),
        state("ordered-at-shop", |event| event.with_passes().ended(Outcome::Ordered), tools),
        state("expired-to-order", |event| event.with_passes().ended(Outcome::Expired), tools),
        state("ordering", |event| event.receipt_page(Moment::Passed, PublicState::Ordering, false), tools),
        state("ordered", |event| event.ended(Outcome::Ordered), tools),
        state("cancelling", |event| event.receipt_page(Moment::Passed, PublicState::Ordering, true), tools),
        state("cancelled", |event| event.ended(Outcome::Cancelled), tools),
        state("rejected", |event| event.ended(Outcome::Rejected), tools),
        state("expired", |event| event.ended(Outcome::Expired), tools),
        state("sold-out", |event| event.ended(Outcome::SoldOut), tools),
        state("view", |event| event.view_page(Moment::Open), nothing),
        state("recovering", |event| event.error_page(Error::LookupFailed), nothing),
        state("not-ready", |event| event.error_page(Error::NotReady), nothing),
        state("unknown-event", |event| event.error_page(Error::UnknownEvent), nothing),
        state("not-found", |event| event.error_page(Error::InvalidReceipt), nothing),
        state("unknown-page", |event| event.error_page(Error::UnknownPage), nothing),
    ];
}

fn text_of_eight(text: &'static PageText) -> &'static str {
    match text.language {
        service::Language::Korean => "오후 8:00",
        service::Language::English => "8:00 PM",
    }
}

fn invalid_fields() -> Error {
    let invalid = |pointer, code| InvalidField { pointer, code };
    Error::Invalid(vec![
        invalid("/phone", InvalidFieldCode::NotAPhone),
        invalid("/consent", InvalidFieldCode::ConsentRequired),
    ])
}
