//! What an event's page says: before, during and after, and after a form that was not taken.

use domain::{EventState, Stock};
use serde_json::{Value, json};

use crate::documents::EventDocuments;
use crate::error::{BadInput, Error};
use crate::fields::Typed;
use crate::messages::{self, Message, Messages, fill};
use crate::pages::{for_script, frame, render};
use crate::state::SignupState;
use crate::timestamp;
use crate::views::{EventView, Frame};
use service::Language;

/// An event's page in the making.
pub(crate) struct EventPage<'a> {
    signup: &'a SignupState,
    documents: &'a EventDocuments,
    language: Language,
    messages: &'static Messages,
    state: &'static str,
    head: &'static str,
    lede: String,
    retry_s: Option<u32>,
    typed: Typed,
    bad: Vec<BadInput>,
    find_wrong: String,
    /// Whether the search by recovery code is shown open.
    pub(crate) find_open: bool,
}

impl<'a> EventPage<'a> {
    /// The page without a receipt.
    pub(crate) fn fresh(signup: &'a SignupState, documents: &'a EventDocuments, language: Language) -> Self {
        let messages = messages::of(language);
        let settings = &documents.view.settings;
        let (state, words, at) = match documents.state(signup.now()) {
            EventState::Scheduled => ("before", messages.before, settings.opens_at),
            EventState::Open if !settings.intake => ("hold", messages.hold, settings.closes_at),
            EventState::Open => ("open", open_words(documents, messages), settings.closes_at),
            EventState::Closed | EventState::Settling | EventState::Settled => {
                let closed_at = documents.view.closed.map_or(settings.closes_at, |closing| closing.closed_at);
                ("closed", messages.closed, closed_at)
            }
        };
        Self {
            signup,
            documents,
            language,
            messages,
            state,
            head: words.head,
            lede: fill(words.text, &[("date", &timestamp::date(at, language))]),
            retry_s: None,
            typed: Typed::default(),
            bad: Vec::new(),
            find_wrong: String::new(),
            find_open: state == "closed",
        }
    }

    /// The page after a form that was not taken: what was typed stays, with the same key.
    pub(crate) fn refused(
        signup: &'a SignupState,
        documents: &'a EventDocuments,
        language: Language,
        typed: &Typed,
        (error, retry_s): (&Error, Option<u32>),
    ) -> Self {
        let (head, lede) = error.told(language);
        let (state, bad) = match error {
            Error::NotOpen { .. } => ("before", Vec::new()),
            Error::Closed { .. } => ("closed", Vec::new()),
            Error::Full => ("full", Vec::new()),
            Error::OnHold => ("hold", Vec::new()),
            Error::TooMany { .. } => ("slow", Vec::new()),
            Error::OutcomeUnknown => ("unknown", Vec::new()),
            Error::Busy | Error::NotReady | Error::Safe => ("shed", Vec::new()),
            Error::Invalid(bad) => ("invalid", bad.clone()),
            _ => ("invalid", Vec::new()),
        };
        let find_open = state == "closed";
        let typed = typed.clone();
        Self { state, head, lede, retry_s, typed, bad, find_open, ..Self::fresh(signup, documents, language) }
    }

    /// Shows the search open, with why nothing was found.
    pub(crate) fn search_failed(&mut self, typed: &Typed, error: &Error) {
        let (head, text) = error.told(self.language);
        self.find_wrong = format!("{head}. {text}");
        self.find_open = true;
        // Its own form: what was typed there does not belong into the other one, but the phone may be corrected.
        self.typed = typed.only("phone");
    }

    /// The page as text.
    pub(crate) fn html(&self) -> String {
        let (settings, messages) = (&self.documents.view.settings, self.messages);
        let closes_at = timestamp::date(settings.closes_at, self.language);
        let key = self.typed.get("key");
        let searching = !self.find_wrong.is_empty();
        let phone = self.typed.get("phone");
        render(&EventView {
            frame: self.frame(),
            event: settings.id.as_str(),
            announcement: settings.announcement.in_language(self.language.tag()),
            capacity: fill(messages.capacity, &[("n", &timestamp::grouped(settings.capacity))]),
            closes: fill(messages.closes, &[("date", &closes_at)]),
            key: if key.is_empty() { self.signup.random_id() } else { key.to_owned() },
            name: self.typed.get("name"),
            phone: if searching { "" } else { phone },
            consent: !self.typed.get("consent").is_empty(),
            name_wrong: self.wrong("/name"),
            phone_wrong: self.wrong("/phone"),
            consent_wrong: self.wrong("/consent"),
            unsure: self.state == "unknown" || !self.typed.get("unsure").is_empty(),
            label: match self.state {
                "shed" => messages.retry_now,
                "unknown" => messages.check_result,
                _ => self.apply_label(),
            },
            find_open: self.find_open,
            find_phone: if searching { phone } else { "" },
            find_wrong: self.find_wrong.clone(),
        })
    }

    fn wrong(&self, pointer: &str) -> &'static str {
        self.bad.iter().find(|bad| bad.pointer == pointer).map_or("", |bad| bad.fault.text(self.messages))
    }

    fn apply_label(&self) -> &'static str {
        match self.documents.stock() {
            Stock::Available => self.messages.apply,
            Stock::SoldOut => self.messages.apply_waitlist,
        }
    }

    fn frame(&self) -> Frame<'a> {
        let settings = &self.documents.view.settings;
        let title = settings.title.in_language(self.language.tag());
        Frame {
            head: self.head.to_owned(),
            lede: self.lede.clone(),
            // After a form, `?lang=` alone would lead to the form's own address, which cannot be read.
            language_href: format!("/e/{}?lang={}", settings.id, self.messages.other_lang),
            data: for_script(&self.data()),
            script: &self.signup.shell.apply.source,
            ..frame(self.signup, self.language, title, self.state)
        }
    }

    fn data(&self) -> Value {
        let (settings, signup) = (&self.documents.view.settings, self.signup);
        json!({
            "event": settings.id,
            "lang": self.language.tag(),
            "now": self.documents.queue_time(signup.now()),
            "opens": settings.opens_at,
            "far": signup.config.poll_far_ms,
            "retry": self.retry_s.unwrap_or(3),
            "create": format!("/application/com/v1/create/application/{}", settings.id),
            "time": format!("/event/com/v1/get/time/{}", settings.id),
            "text": self.texts(),
        })
    }

    fn texts(&self) -> Value {
        let (messages, settings) = (self.messages, &self.documents.view.settings);
        let pair = |words: Message, at| {
            json!([words.head, fill(words.text, &[("date", &timestamp::date(at, self.language))])])
        };
        let opens = timestamp::time_of_day(settings.opens_at, self.language);
        json!({
            "before": pair(messages.before, settings.opens_at),
            "open": pair(open_words(self.documents, messages), 0),
            "hold": pair(messages.hold, 0),
            "applying": pair(messages.applying, 0),
            "shed": pair(messages.busy, 0),
            "unknown": pair(messages.unknown_result, 0),
            "offline": messages.offline_before,
            "clock": messages.clock,
            "remaining": messages.remaining,
            "retry": messages.retry_in,
            "nth": messages.retry_nth,
            "labels": {
                "before": fill(messages.apply_before, &[("time", &opens)]),
                "open": self.apply_label(),
                "hold": messages.apply_hold,
                "applying": messages.applying.head,
                "shed": messages.retry_now,
                "unknown": messages.check_result,
                "slow": messages.too_many.head,
            },
        })
    }
}

fn open_words(documents: &EventDocuments, messages: &'static Messages) -> Message {
    match documents.stock() {
        Stock::Available => messages.open,
        Stock::SoldOut => messages.open_sold_out,
    }
}
