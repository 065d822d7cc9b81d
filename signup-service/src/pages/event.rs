//! The page of an event: before, during and after it, and after a form that was refused.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use domain::{EventState, Identity, Millis, Stock};
use serde_json::{Value, json};

use super::context::PageContext;
use super::error::PageError;
use super::frame::{Frame, json_for_script, render};
use super::look::PageLook;
use super::response::PageResponse;
use super::templates::EventTemplate;
use crate::documents::EventDocuments;
use crate::error::{Error, InvalidField};
use crate::messages::{PageText, TitledText, fill};
use crate::request::{FormFields, PathParameter};
use crate::state::SignupState;
use crate::timestamp;

/// `GET /e/{event}`
pub(crate) async fn get(
    State(signup): State<Arc<SignupState>>,
    PathParameter(event): PathParameter,
    context: PageContext,
) -> Result<impl IntoResponse, PageError> {
    let documents = signup.documents(&event).map_err(|error| PageError::new(error, &context))?;
    let mut page = EventPage::new(&signup, &documents, signup.text(context.language));
    page.find_open |= context.query.contains("find");
    Ok(page.response(&context))
}

/// The page of an event.
pub(super) struct EventPage<'a> {
    signup: &'a SignupState,
    documents: &'a EventDocuments,
    text: &'static PageText,
    state: &'static str,
    heading: &'static str,
    lede: String,
    retry_s: Option<u32>,
    form: FormFields,
    invalid: Vec<InvalidField>,
    find_error: String,
    find_open: bool,
}

impl<'a> EventPage<'a> {
    /// The page as of now, with an empty form.
    pub(super) fn new(
        signup: &'a SignupState,
        documents: &'a EventDocuments,
        text: &'static PageText,
    ) -> Self {
        let settings = &documents.snapshot.settings;
        let (state, heading, at) = match documents.state(signup.now()) {
            EventState::Scheduled => ("before", text.before, settings.opens_at),
            EventState::Open if !settings.intake => ("hold", text.hold, settings.closes_at),
            EventState::Open => ("open", open_heading(documents, text), settings.closes_at),
            EventState::Closed | EventState::Settling | EventState::Settled => {
                let closed_at =
                    documents.snapshot.closed.map_or(settings.closes_at, |closing| closing.closed_at);
                ("closed", text.closed, closed_at)
            }
        };
        Self {
            signup,
            documents,
            text,
            state,
            heading: heading.title,
            lede: fill(heading.text, &[("date", &timestamp::date(at, text.language))]),
            retry_s: None,
            form: FormFields::default(),
            invalid: Vec::new(),
            find_error: String::new(),
            find_open: state == "closed",
        }
    }

    /// The page in a state that only its script knows.
    pub(super) fn with_phase(self, state: &'static str, heading: fn(&PageText) -> TitledText) -> Self {
        let heading = heading(self.text);
        Self { state, heading: heading.title, lede: heading.text.to_owned(), ..self }
    }

    /// The page after a refused application: the form keeps its fields and its key.
    pub(super) fn with_apply_error(self, form: &FormFields, error: &Error, retry_s: Option<u32>) -> Self {
        let state = state_after(error);
        Self {
            state,
            heading: error.title(self.text),
            lede: error.detail(self.text),
            retry_s,
            form: form.clone(),
            invalid: if let Error::Invalid(fields) = error { fields.clone() } else { Vec::new() },
            find_open: state == "closed",
            ..self
        }
    }

    /// The page after a failed find request: the find form is open and shows the reason.
    pub(super) fn with_find_error(self, form: &FormFields, error: &Error) -> Self {
        Self {
            find_error: format!("{}. {}", error.title(self.text), error.detail(self.text)),
            find_open: true,
            // The fields of the find form do not belong in the form for applications. The phone number may be corrected.
            form: form.only("phone"),
            ..self
        }
    }

    /// The page as a response.
    pub(super) fn response(&self, context: &PageContext) -> PageResponse {
        PageResponse::new(context, &self.signup.shell.apply, self.html()).with_look(self.look().as_ref())
    }

    fn look(&self) -> Option<PageLook> {
        PageLook::of_event(&self.documents.snapshot.settings, self.text, &self.signup.shell.look)
    }

    /// The page as text.
    pub(super) fn html(&self) -> String {
        let settings = &self.documents.snapshot.settings;
        let text = self.text;
        let closes_at = timestamp::date(settings.closes_at, text.language);
        let key = self.form.get("key");
        let phone = self.form.get("phone");
        let find_failed = !self.find_error.is_empty();
        let now = self.documents.queue_time(self.signup.now());
        render(&EventTemplate {
            frame: self.frame(),
            event: settings.id.as_str(),
            sign_in_url: (settings.identity == Identity::Member).then(|| self.sign_in_url()),
            announcement: settings.announcement.in_language(self.text.html_lang),
            capacity: fill(text.capacity, &[("n", &timestamp::grouped(settings.capacity))]),
            closes: fill(text.closes, &[("date", &closes_at)]),
            countdown: timestamp::duration(settings.opens_at - now),
            server_clock: fill(text.clock, &[("t", &timestamp::clock(now)), ("e", "1.0")]),
            key: if key.is_empty() { self.signup.random_id() } else { key.to_owned() },
            name: self.form.get("name"),
            phone: if find_failed { "" } else { phone },
            consent: !self.form.get("consent").is_empty(),
            name_error: self.field_error("/name"),
            phone_error: self.field_error("/phone"),
            consent_error: self.field_error("/consent"),
            unsure: self.state == "unknown" || !self.form.get("unsure").is_empty(),
            label: match self.state {
                "shed" => text.retry_now,
                "unknown" => text.check_result,
                _ => self.apply_label(),
            },
            find_open: self.find_open,
            find_phone: if find_failed { phone } else { "" },
            find_error: self.find_error.clone(),
        })
    }

    fn sign_in_url(&self) -> &str {
        self.signup
            .config
            .member
            .as_ref()
            .and_then(|member| member.sign_in_url.as_deref())
            .unwrap_or_default()
    }

    fn field_error(&self, pointer: &str) -> &'static str {
        let field = self.invalid.iter().find(|field| field.pointer == pointer);
        field.map_or("", |field| field.code.text(self.text))
    }

    fn apply_label(&self) -> &'static str {
        match self.documents.stock() {
            Stock::Available => self.text.apply,
            Stock::SoldOut => self.text.apply_waitlist,
        }
    }

    fn frame(&self) -> Frame<'a> {
        let settings = &self.documents.snapshot.settings;
        let title = settings.title.in_language(self.text.html_lang);
        Frame {
            heading: self.heading.to_owned(),
            lede: self.lede.clone(),
            look: self.look(),
            // After a form, `?lang=` alone would lead to the form's own address, which has no GET.
            language_href: format!("/e/{}?lang={}", settings.id, self.text.other_lang),
            data: json_for_script(&self.data()),
            ..Frame::new(&self.signup.shell.apply, self.text, title, self.state)
        }
    }

    fn data(&self) -> Value {
        let settings = &self.documents.snapshot.settings;
        json!({
            "event": settings.id,
            "lang": self.text.html_lang,
            "now": self.documents.queue_time(self.signup.now()),
            "opens": settings.opens_at,
            "far": self.signup.config.poll_far_ms,
            "retry": self.retry_s.unwrap_or(3),
            "create": format!("/application/com/v1/create/application/{}", settings.id),
            "time": format!("/event/com/v1/get/time/{}", settings.id),
            "text": self.script_texts(),
        })
    }

    fn script_texts(&self) -> Value {
        let text = self.text;
        let opens_at = self.documents.snapshot.settings.opens_at;
        let heading = |heading: TitledText, at: Millis| {
            let date = timestamp::date(at, text.language);
            json!([heading.title, fill(heading.text, &[("date", &date)])])
        };
        let opens = timestamp::time_of_day(opens_at, text.language);
        json!({
            "before": heading(text.before, opens_at),
            "open": heading(open_heading(self.documents, text), 0),
            "hold": heading(text.hold, 0),
            "applying": heading(text.applying, 0),
            "shed": heading(text.busy, 0),
            "unknown": heading(text.outcome_unknown, 0),
            "offline": text.offline_before,
            "clock": text.clock,
            "remaining": text.remaining,
            "retry": text.retry_in,
            "retrying": text.retrying,
            "labels": {
                "before": fill(text.apply_before, &[("time", &opens)]),
                "open": self.apply_label(),
                "hold": text.apply_hold,
                "applying": text.applying.title,
                "shed": text.retry_now,
                "unknown": text.check_result,
                "slow": text.too_many_attempts.title,
            },
        })
    }
}

/// The state of the page after a refused application.
fn state_after(error: &Error) -> &'static str {
    match error {
        Error::EventNotOpen { .. } => "before",
        Error::EventClosed { .. } => "closed",
        Error::QueueFull => "full",
        Error::IntakeOnHold => "hold",
        Error::TooManyAttempts { .. } => "slow",
        Error::OutcomeUnknown => "unknown",
        Error::Busy | Error::NotReady | Error::LookupFailed => "shed",
        _ => "invalid",
    }
}

fn open_heading(documents: &EventDocuments, text: &'static PageText) -> TitledText {
    match documents.stock() {
        Stock::Available => text.open,
        Stock::SoldOut => text.open_sold_out,
    }
}
