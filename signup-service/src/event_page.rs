//! What an event's page says: before, during and after, and after a form that was not taken.

use domain::{EventState, Stock};
use serde_json::{Value, json};

use crate::copy::{self, Copy, Words, fill};
use crate::desk::Desk;
use crate::fields::Typed;
use crate::pages::{for_script, frame, render};
use crate::progress::Sheet;
use crate::refusal::{BadInput, Refusal};
use crate::views::{EventView, Frame};
use crate::when;
use service::Language;

/// An event's page in the making.
pub(crate) struct EventPage<'a> {
    desk: &'a Desk,
    sheet: &'a Sheet,
    language: Language,
    copy: &'static Copy,
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
    /// The page as everybody finds it.
    pub(crate) fn fresh(desk: &'a Desk, sheet: &'a Sheet, language: Language) -> Self {
        let copy = copy::of(language);
        let settings = &sheet.view.settings;
        let (state, words, at) = match sheet.state(desk.now()) {
            EventState::Scheduled => ("before", copy.before, settings.opens_at),
            EventState::Open if !settings.intake => ("hold", copy.hold, settings.closes_at),
            EventState::Open => ("open", open_words(sheet, copy), settings.closes_at),
            EventState::Closed | EventState::Settling | EventState::Settled => {
                let closed_at = sheet.view.closed.map_or(settings.closes_at, |closing| closing.closed_at);
                ("closed", copy.closed, closed_at)
            }
        };
        Self {
            desk,
            sheet,
            language,
            copy,
            state,
            head: words.head,
            lede: fill(words.text, &[("date", &when::date(at, language))]),
            retry_s: None,
            typed: Typed::default(),
            bad: Vec::new(),
            find_wrong: String::new(),
            find_open: state == "closed",
        }
    }

    /// The page after a form that was not taken: what was typed stays, with the same key.
    pub(crate) fn refused(
        desk: &'a Desk,
        sheet: &'a Sheet,
        language: Language,
        typed: &Typed,
        (refusal, retry_s): (&Refusal, Option<u32>),
    ) -> Self {
        let (head, lede) = refusal.told(language);
        let (state, bad) = match refusal {
            Refusal::NotOpen { .. } => ("before", Vec::new()),
            Refusal::Closed { .. } => ("closed", Vec::new()),
            Refusal::Full => ("full", Vec::new()),
            Refusal::OnHold => ("hold", Vec::new()),
            Refusal::TooMany { .. } => ("slow", Vec::new()),
            Refusal::Busy | Refusal::NotReady | Refusal::Safe => ("shed", Vec::new()),
            Refusal::Invalid(bad) => ("invalid", bad.clone()),
            _ => ("invalid", Vec::new()),
        };
        let find_open = state == "closed";
        let typed = typed.clone();
        Self { state, head, lede, retry_s, typed, bad, find_open, ..Self::fresh(desk, sheet, language) }
    }

    /// Shows the search open, with why nothing was found.
    pub(crate) fn search_failed(&mut self, typed: &Typed, refusal: &Refusal) {
        let (head, text) = refusal.told(self.language);
        self.find_wrong = format!("{head}. {text}");
        self.find_open = true;
        // Its own form: what was typed there does not belong into the other one, but the phone may be corrected.
        self.typed = typed.only("phone");
    }

    /// The page as text.
    pub(crate) fn html(&self) -> String {
        let (settings, copy) = (&self.sheet.view.settings, self.copy);
        let closes_at = when::date(settings.closes_at, self.language);
        let key = self.typed.get("key");
        let searching = !self.find_wrong.is_empty();
        let phone = self.typed.get("phone");
        render(&EventView {
            frame: self.frame(),
            event: settings.id.as_str(),
            notice: settings.notice.in_language(self.language.tag()),
            capacity: fill(copy.capacity, &[("n", &when::grouped(settings.capacity))]),
            closes: fill(copy.closes, &[("date", &closes_at)]),
            key: if key.is_empty() { self.desk.random_id() } else { key.to_owned() },
            name: self.typed.get("name"),
            phone: if searching { "" } else { phone },
            consent: !self.typed.get("consent").is_empty(),
            name_wrong: self.wrong("/name"),
            phone_wrong: self.wrong("/phone"),
            consent_wrong: self.wrong("/consent"),
            label: if self.state == "shed" { copy.retry_now } else { self.apply_label() },
            find_open: self.find_open,
            find_phone: if searching { phone } else { "" },
            find_wrong: self.find_wrong.clone(),
        })
    }

    fn wrong(&self, pointer: &str) -> &'static str {
        self.bad.iter().find(|bad| bad.pointer == pointer).map_or("", |bad| bad.fault.text(self.copy))
    }

    fn apply_label(&self) -> &'static str {
        match self.sheet.stock() {
            Stock::Available => self.copy.apply,
            Stock::SoldOut => self.copy.apply_waitlist,
        }
    }

    fn frame(&self) -> Frame<'a> {
        let settings = &self.sheet.view.settings;
        let title = settings.title.in_language(self.language.tag());
        Frame {
            head: self.head.to_owned(),
            lede: self.lede.clone(),
            // After a form, `?lang=` alone would lead to the form's own address, which cannot be read.
            language_href: format!("/e/{}?lang={}", settings.id, self.copy.other_lang),
            data: for_script(&self.data()),
            script: &self.desk.shell.apply.source,
            ..frame(self.desk, self.language, title, self.state)
        }
    }

    fn data(&self) -> Value {
        let (settings, desk) = (&self.sheet.view.settings, self.desk);
        json!({
            "event": settings.id,
            "lang": self.language.tag(),
            "now": self.sheet.line_time(desk.now()),
            "opens": settings.opens_at,
            "far": desk.config.poll_far_ms,
            "retry": self.retry_s.unwrap_or(3),
            "create": format!("/application/com/v1/create/application/{}", settings.id),
            "time": format!("/event/com/v1/get/time/{}", settings.id),
            "text": self.texts(),
        })
    }

    fn texts(&self) -> Value {
        let (copy, settings) = (self.copy, &self.sheet.view.settings);
        let pair = |words: Words, at| {
            json!([words.head, fill(words.text, &[("date", &when::date(at, self.language))])])
        };
        let opens = when::time_of_day(settings.opens_at, self.language);
        json!({
            "before": pair(copy.before, settings.opens_at),
            "open": pair(open_words(self.sheet, copy), 0),
            "hold": pair(copy.hold, 0),
            "applying": pair(copy.applying, 0),
            "shed": pair(copy.busy, 0),
            "unknown": pair(copy.unknown_result, 0),
            "offline": copy.offline_before,
            "clock": copy.clock,
            "remaining": copy.remaining,
            "retry": copy.retry_in,
            "nth": copy.retry_nth,
            "labels": {
                "before": fill(copy.apply_before, &[("time", &opens)]),
                "open": self.apply_label(),
                "hold": copy.apply_hold,
                "applying": copy.applying.head,
                "shed": copy.retry_now,
                "unknown": copy.check_result,
                "slow": copy.too_many.head,
            },
        })
    }
}

fn open_words(sheet: &Sheet, copy: &'static Copy) -> Words {
    match sheet.stock() {
        Stock::Available => copy.open,
        Stock::SoldOut => copy.open_sold_out,
    }
}
