//! The pages over HTTP: which one to show, in which language. What an event's and a receipt's page say is made in
//! `event_page.rs` and `receipt_page.rs`.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use domain::EventState;
use serde_json::json;

use crate::copy;
use crate::desk::Desk;
use crate::event_page::EventPage;
use crate::fields::Typed;
use crate::progress::Sheet;
use crate::receipt_page::ReceiptPage;
use crate::refusal::Refusal;
use crate::routes::{PathId, see_other};
use crate::shell::{Page, Script};
use crate::views::{Frame, Item, ListView, MessageView};
use crate::when;
use service::Language;

/// How soon a browser without JavaScript looks again.
pub(crate) const REFRESH_S: u32 = 20;

/// What was asked for in the query of a page.
pub(crate) struct Asked {
    /// The language to answer in.
    pub(crate) language: Language,
    /// Whether it was asked for by hand.
    pub(crate) remember: bool,
    query: Typed,
}

impl Asked {
    fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        let query = Typed::read(uri.query().unwrap_or("").as_bytes());
        let by_hand = Language::of_tag(query.get("lang"));
        let language = Language::of_page(Some(query.get("lang")), headers);
        Self { language, remember: by_hand.is_some(), query }
    }

    fn of_form(typed: &Typed, headers: &HeaderMap) -> Self {
        let language = Language::of_page(Some(typed.get("lang")), headers);
        Self { language, remember: false, query: Typed::default() }
    }
}

/// `GET /`: all events, or the only one.
pub(crate) async fn list(State(desk): State<Arc<Desk>>, uri: Uri, headers: HeaderMap) -> Response {
    let (asked, board) = (Asked::of(&uri, &headers), desk.board());
    let Some(events) = &board.events else {
        return message(&desk, &headers, &asked, &Refusal::NotReady);
    };
    if let [only] = events.as_slice() {
        return see_other(&format!("/e/{only}"));
    }
    let items = board.sheets().map(|sheet| item(&desk, sheet, asked.language)).collect::<Vec<_>>();
    let copy = copy::of(asked.language);
    let mut frame = frame(&desk, asked.language, copy.list.head, "list");
    copy.list.head.clone_into(&mut frame.head);
    let lede = if items.is_empty() { copy.list_empty } else { copy.list.text };
    lede.clone_into(&mut frame.lede);
    let html = render(&ListView { frame, items });
    page(&asked, html, StatusCode::OK, &desk.shell.wait).answer(&headers)
}

fn item(desk: &Desk, sheet: &Sheet, language: Language) -> Item {
    let (copy, settings) = (copy::of(language), &sheet.view.settings);
    let (badge, open, at) = match sheet.state(desk.now()) {
        EventState::Scheduled => (copy.state_scheduled, false, settings.opens_at),
        EventState::Open => (copy.state_open, true, settings.closes_at),
        EventState::Closed | EventState::Settling | EventState::Settled => {
            (copy.state_closed, false, settings.closes_at)
        }
    };
    let when = when::date(at, language);
    let when = if open { copy::fill(copy.closes, &[("date", &when)]) } else { when };
    Item {
        event: settings.id.to_string(),
        title: settings.title.in_language(language.tag()).to_owned(),
        badge,
        open,
        when,
    }
}

/// `GET /e/{event}`
pub(crate) async fn event(
    State(desk): State<Arc<Desk>>,
    PathId(event): PathId,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let asked = Asked::of(&uri, &headers);
    match desk.sheet(&event) {
        Ok(sheet) => {
            let mut shown = EventPage::fresh(&desk, &sheet, asked.language);
            shown.find_open |= uri.query().is_some_and(|query| query.split('&').any(|item| item == "find"));
            let html = shown.html();
            page(&asked, html, StatusCode::OK, &desk.shell.apply).answer(&headers)
        }
        Err(refusal) => message(&desk, &headers, &asked, &refusal),
    }
}

/// `GET /a/{receipt}`
pub(crate) async fn receipt(
    State(desk): State<Arc<Desk>>,
    PathId(text): PathId,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let asked = Asked::of(&uri, &headers);
    match desk.own(&text).await {
        Ok(own) => {
            let cancel_asked = asked.query.get("asked") == "cancel";
            let html = ReceiptPage::of(&desk, &own, asked.language, cancel_asked).html();
            page(&asked, html, StatusCode::OK, &desk.shell.wait).answer(&headers)
        }
        Err(refusal) => message(&desk, &headers, &asked, &refusal),
    }
}

/// The event's page again, with what was typed and why it was not taken.
pub(crate) fn refused(
    desk: &Desk,
    event: &str,
    headers: &HeaderMap,
    typed: &Typed,
    refusal: &Refusal,
) -> Response {
    let asked = Asked::of_form(typed, headers);
    let Ok(sheet) = desk.sheet(event) else { return message(desk, headers, &asked, refusal) };
    let retry = refusal.retry_after(&desk.chance);
    let html = EventPage::refused(desk, &sheet, asked.language, typed, (refusal, retry)).html();
    let answer = Page { retry_after: retry, ..page(&asked, html, refusal.kind().0, &desk.shell.apply) };
    answer.answer(headers)
}

/// The event's page again, with the search open and why nothing was found.
pub(crate) fn not_found_by_code(
    desk: &Desk,
    headers: &HeaderMap,
    typed: &Typed,
    refusal: &Refusal,
) -> Response {
    let asked = Asked::of_form(typed, headers);
    let Ok(sheet) = desk.sheet(typed.get("event")) else {
        return message(desk, headers, &asked, refusal);
    };
    let retry = refusal.retry_after(&desk.chance);
    let mut shown = EventPage::fresh(desk, &sheet, asked.language);
    shown.search_failed(typed, refusal);
    let html = shown.html();
    let answer = Page { retry_after: retry, ..page(&asked, html, refusal.kind().0, &desk.shell.apply) };
    answer.answer(headers)
}

/// A page that tells why a form was refused.
pub(crate) fn told(desk: &Desk, headers: &HeaderMap, refusal: &Refusal) -> Response {
    // A reload would send the form again, so this page does not reload by itself.
    let asked = Asked::of_form(&Typed::default(), headers);
    message_page(desk, headers, &asked, refusal, None)
}

fn message(desk: &Desk, headers: &HeaderMap, asked: &Asked, refusal: &Refusal) -> Response {
    message_page(desk, headers, asked, refusal, refusal.retry_after(&desk.chance))
}

fn message_page(
    desk: &Desk,
    headers: &HeaderMap,
    asked: &Asked,
    refusal: &Refusal,
    reload_s: Option<u32>,
) -> Response {
    let (head, text) = refusal.told(asked.language);
    let (status, code) = refusal.kind();
    let mut frame = frame(desk, asked.language, head, code);
    head.clone_into(&mut frame.head);
    frame.lede = text;
    frame.refresh_s = reload_s.map(|_| REFRESH_S);
    if let Some(seconds) = reload_s {
        frame.data = for_script(&json!({
            "event": "", "now": desk.now(), "lang": asked.language.tag(), "retry": seconds, "text": {},
        }));
    }
    let html = render(&MessageView { frame, event: None });
    let answer = Page {
        retry_after: refusal.retry_after(&desk.chance),
        ..page(asked, html, status, &desk.shell.wait)
    };
    answer.answer(headers)
}

fn page<'a>(asked: &Asked, html: String, status: StatusCode, script: &'a Script) -> Page<'a> {
    Page { status, html, script, language: asked.language, remember: asked.remember, retry_after: None }
}

/// The frame of a page, without headline and data; with the script of the receipt's page.
pub(crate) fn frame<'a>(desk: &'a Desk, language: Language, brand: &str, state: &'static str) -> Frame<'a> {
    let copy = copy::of(language);
    Frame {
        copy,
        css: &desk.shell.css,
        title: brand.to_owned(),
        brand: brand.to_owned(),
        language_href: format!("?lang={}", copy.other_lang),
        state,
        head: String::new(),
        lede: String::new(),
        refresh_s: None,
        support: None,
        data: String::new(),
        script: &desk.shell.wait.source,
    }
}

/// The page as text.
pub(crate) fn render(view: &impl Template) -> String {
    view.render().unwrap_or_else(|error| {
        tracing::error!(%error, "a page could not be rendered");
        String::new()
    })
}

/// JSON that cannot end the script element it stands in.
pub(crate) fn for_script(value: &serde_json::Value) -> String {
    value.to_string().replace('<', "\\u003c")
}
