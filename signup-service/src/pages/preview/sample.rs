//! The sample event and the sample application of the previews.

use std::sync::Arc;

use domain::event::Text;
use domain::keys::Root;
use domain::{
    AppKey, CalledWindow, Epoch, EventId, EventSettings, EventState, Gaps, Keyring, Kid, Kind, Look, Millis,
    Number, Outcome, Receipt, Right,
};
use queue::{QueueSnapshot, SeatFigures};

use super::super::context::PageContext;
use super::super::error::PageError;
use super::super::event::EventPage;
use super::super::handover;
use super::super::receipt::ReceiptPage;
use super::super::view_only;
use crate::application::{ApplicationView, PublicState};
use crate::documents::EventDocuments;
use crate::error::Error;
use crate::messages::PageText;
use crate::request::FormFields;
use crate::state::SignupState;

/// 2026-11-22 20:00:00 in Korea.
const OPENS: Millis = 1_795_345_200_000;
const CLOSES: Millis = OPENS + 3_600_000;
/// The number of the sample application.
pub(super) const APPLICANTS_NUMBER: u32 = 41_207;
/// How many are ahead of it.
const AHEAD: u32 = 32_410;

/// A point in the course of the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    Before,
    Open,
    OnHold,
    SoldOut,
    /// Admission has passed the sample application.
    Passed,
    Closed,
}

/// An event with sample data, or with the settings of a real one.
#[derive(Clone)]
pub(super) struct SampleEvent<'a> {
    signup: &'a SignupState,
    text: &'static PageText,
    settings: EventSettings,
}

impl<'a> SampleEvent<'a> {
    /// The sample event, or the `real` one with sample times and figures.
    pub(super) fn new(signup: &'a SignupState, real: Option<EventSettings>, text: &'static PageText) -> Self {
        let title = Text::new("봄맞이 특가 세트", "Spring special set");
        let sample = EventSettings::new(sample_id(), title, OPENS, CLOSES);
        let settings = EventSettings {
            id: sample_id(),
            opens_at: OPENS,
            closes_at: CLOSES,
            capacity: 50_000,
            pace: "80".parse().unwrap_or(sample.pace),
            ..real.unwrap_or(sample)
        };
        Self { signup, text, settings }
    }

    /// The event after a change of its settings.
    pub(super) fn with(&self, change: impl FnOnce(&mut EventSettings)) -> Self {
        let mut changed = self.clone();
        change(&mut changed.settings);
        changed
    }

    /// The event with a message of the operator, unless it has one.
    pub(super) fn announced(&self) -> Self {
        let sample = Text::new(
            "결제사 점검으로 8시 30분까지 주문을 멈췄어요.",
            "Orders are paused until 8:30 PM: our payment provider is under maintenance.",
        );
        self.with(|settings| {
            if settings.announcement == Text::default() {
                settings.announcement = sample;
            }
        })
    }

    /// The event with a look, unless it has one.
    pub(super) fn with_look(&self) -> Self {
        self.with(|settings| {
            if settings.look == Look::default() {
                settings.look = sample_look();
            }
        })
    }

    /// The address of the picture that the event itself has.
    pub(super) fn picture_url(&self) -> &str {
        &self.settings.look.picture_url
    }

    fn documents(&self, moment: Moment) -> Arc<EventDocuments> {
        let (now, state) = match moment {
            Moment::Before => (OPENS - 100_000, EventState::Scheduled),
            Moment::Closed => (CLOSES + 60_000, EventState::Closed),
            _ => (OPENS + 110_000, EventState::Open),
        };
        let mut settings = self.settings.clone();
        settings.intake = moment != Moment::OnHold;
        let free = if moment == Moment::SoldOut { 0 } else { 41_203 };
        let admitted_through = match moment {
            Moment::Passed => APPLICANTS_NUMBER,
            // Only the waitlist is left.
            Moment::SoldOut => APPLICANTS_NUMBER - 37,
            _ => APPLICANTS_NUMBER - 1 - AHEAD,
        };
        let snapshot = QueueSnapshot {
            event: settings.id.clone(),
            epoch: Epoch(1),
            armed: true,
            state,
            seq: 61_204,
            number_limit: 100_000,
            admitted_through,
            waiting: 61_204 - admitted_through,
            gaps: Gaps::default(),
            closed: None,
            settings,
            rev: 1,
            figures: SeatFigures { sold: 8797, free, held: 0, at: now },
            unjudged: None,
            lost_epoch: Epoch(0),
            ledger_changes: 0,
            now,
        };
        let kid = Kid::new("k1").unwrap_or_else(|| unreachable!("it is a key ID"));
        let keys = Keyring::new(kid.clone(), [(kid.clone(), Root::new([0; 32]))]);
        let keys = keys.and_then(|keys| keys.event(&sample_id(), &kid)).ok();
        EventDocuments::from_snapshot(snapshot, None, keys, self.signup.now(), &self.signup.config)
    }

    /// The event's page, after a change of it.
    pub(super) fn event_page(
        &self,
        moment: Moment,
        change: impl FnOnce(EventPage<'_>) -> EventPage<'_>,
    ) -> String {
        let documents = self.documents(moment);
        change(EventPage::new(self.signup, &documents, self.text)).html()
    }

    /// The event's page after an application that was refused.
    pub(super) fn refused(&self, error: &Error) -> String {
        let name = if self.text.html_lang == "ko" { "홍길동" } else { "Gildong Hong" };
        let mut fields = vec![("name", name), ("phone", "010-1234-5678"), ("key", "0"), ("consent", "on")];
        if let Error::Invalid(_) = error {
            fields = vec![("name", name), ("phone", "010-1234"), ("key", "0")];
        }
        let form = FormFields::of(&fields);
        self.event_page(Moment::Open, |page| page.with_apply_error(&form, error, Some(3)))
    }

    /// The event's page after a find request without success.
    pub(super) fn find_refused(&self, error: &Error) -> String {
        let form = FormFields::of(&[("phone", "010-1234-5678")]);
        self.event_page(Moment::Closed, |page| page.with_find_error(&form, error))
    }

    fn application(&self, moment: Moment, state: PublicState, right: Right) -> ApplicationView {
        let number = Number::new(APPLICANTS_NUMBER).unwrap_or_else(|| unreachable!("it is not zero"));
        let app_key = AppKey(0x0193_9d3c_7b1e_4a5f_9e2d_7c61_b0a4_52f8_u128.to_be_bytes());
        let receipt = Receipt { event: sample_id(), epoch: Epoch(1), number, app_key, right };
        let order_no = (state == PublicState::Ended(Outcome::Ordered)).then(|| "20261122-041207".to_owned());
        ApplicationView::new("preview".to_owned(), receipt, state, order_no, self.documents(moment))
    }

    /// The page of a receipt.
    pub(super) fn receipt_page(&self, moment: Moment, state: PublicState, cancel_requested: bool) -> String {
        let application = self.application(moment, state, Right::Full);
        ReceiptPage::new(self.signup, &application, state, self.text, cancel_requested).html()
    }

    /// The same event, as one that calls its applicants.
    pub(super) fn calling(&self) -> Self {
        self.with(|settings| settings.kind = Kind::Confirm)
    }

    /// The same event, as one that gives its applicants passes.
    pub(super) fn with_passes(&self) -> Self {
        self.with(|settings| {
            settings.kind = Kind::Pass;
            settings.pass_target = "https://shop.example.com/".into();
        })
    }

    /// The page of a called applicant.
    pub(super) fn called(&self, extended: bool) -> String {
        let until = OPENS + 110_000 + if extended { 898_000 } else { 598_000 };
        let window = CalledWindow { until, extended, confirmed: false };
        self.receipt_page(Moment::Passed, PublicState::Called(window), false)
    }

    /// The page that sends a pass to the shop.
    pub(super) fn handover_page(&self, receipt: &str) -> String {
        handover::html(self.signup, self.text, &self.settings, receipt, "")
    }

    /// The page of a receipt whose application has this outcome.
    pub(super) fn ended(&self, outcome: Outcome) -> String {
        self.receipt_page(Moment::Passed, PublicState::Ended(outcome), false)
    }

    /// The page of a view receipt.
    pub(super) fn view_page(&self, moment: Moment) -> String {
        let application = self.application(moment, PublicState::Waiting, Right::View);
        view_only::html(self.signup, &application, self.text)
    }

    /// The page of an error.
    pub(super) fn error_page(&self, error: Error) -> String {
        let context = PageContext::of_form(&FormFields::default(), &axum::http::HeaderMap::new());
        let retry_after = error.retry_after(&self.signup.rng);
        PageError::new(error, &context).html(self.signup, self.text, retry_after)
    }
}

fn sample_look() -> Look {
    // A picture that needs no request: the spring sun over a hill, as SVG.
    let picture = "data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciIHZpZXdCb3g9IjAgMCA5NiA5NiI+PHBhdGggZmlsbD0iI2ZkZTJlNCIgZD0iTTAgMGg5NnY5NkgweiIvPjxjaXJjbGUgY3g9IjY0IiBjeT0iMzQiIHI9IjE4IiBmaWxsPSIjZmY5Zjg5Ii8+PHBhdGggZmlsbD0iIzhjYzA4NCIgZD0iTTAgOTZWNjZjMzAtMTQgNjAgMiA5Ni0xMHY0MHoiLz48L3N2Zz4=";
    Look {
        description: Text::new(
            "제주 감귤과 딸기를 한 상자에 담았어요.\n선착순으로 접수하고, 12월 첫 주에 배송해요.",
            "Mandarins from Jeju and strawberries in one box.\nFirst come, first served. Shipped in the first week of December.",
        ),
        color: "#ff5a5f".to_owned(),
        picture_url: picture.to_owned(),
        product_name: Text::new("봄맞이 과일 세트 5kg", "Spring fruit box, 5 kg"),
        product_price: 39_900,
        product_url: "https://shop.example.com/products/4".to_owned(),
    }
}

fn sample_id() -> EventId {
    "preview".parse().unwrap_or_else(|_| unreachable!("it is an event id"))
}
