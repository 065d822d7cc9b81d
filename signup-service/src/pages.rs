//! The pages over HTTP: which one to show, in which language. What an event's and a receipt's page say is made in
//! `event_page.rs` and `receipt_page.rs`.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use domain::EventState;
use serde_json::json;

use crate::documents::EventDocuments;
use crate::error::Error;
use crate::event_page::EventPage;
use crate::fields::Typed;
use crate::messages;
use crate::receipt_page::{self, ReceiptPage};
use crate::request_body::{PathId, see_other};
use crate::shell::{Page, Script};
use crate::state::SignupState;
use crate::timestamp;
use crate::views::{Frame, Item, ListView, MessageView};
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
pub(crate) async fn list(State(signup): State<Arc<SignupState>>, uri: Uri, headers: HeaderMap) -> Response {
    let (asked, catalogue) = (Asked::of(&uri, &headers), signup.catalogue());
    let Some(events) = &catalogue.events else {
        return message(&signup, &headers, &asked, &Error::NotReady);
    };
    if let [only] = events.as_slice() {
        return see_other(&format!("/e/{only}"));
    }
    let items = catalogue
        .documents_by_event()
        .map(|documents| item(&signup, documents, asked.language))
        .collect::<Vec<_>>();
    let messages = messages::of(asked.language);
    let mut frame = frame(&signup, asked.language, messages.list.head, "list");
    messages.list.head.clone_into(&mut frame.head);
    let lede = if items.is_empty() { messages.list_empty } else { messages.list.text };
    lede.clone_into(&mut frame.lede);
    let html = render(&ListView { frame, items });
    page(&asked, html, StatusCode::OK, &signup.shell.wait).answer(&headers)
}

fn item(signup: &SignupState, documents: &EventDocuments, language: Language) -> Item {
    let (messages, settings) = (messages::of(language), &documents.view.settings);
    let (badge, open, at) = match documents.state(signup.now()) {
        EventState::Scheduled => (messages.state_scheduled, false, settings.opens_at),
        EventState::Open => (messages.state_open, true, settings.closes_at),
        EventState::Closed | EventState::Settling | EventState::Settled => {
            (messages.state_closed, false, settings.closes_at)
        }
    };
    let timestamp = timestamp::date(at, language);
    let timestamp = if open { messages::fill(messages.closes, &[("date", &timestamp)]) } else { timestamp };
    Item {
        event: settings.id.to_string(),
        title: settings.title.in_language(language.tag()).to_owned(),
        badge,
        open,
        timestamp,
    }
}

/// `GET /e/{event}`
pub(crate) async fn event(
    State(signup): State<Arc<SignupState>>,
    PathId(event): PathId,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let asked = Asked::of(&uri, &headers);
    match signup.documents(&event) {
        Ok(documents) => {
            let mut shown = EventPage::fresh(&signup, &documents, asked.language);
            shown.find_open |= uri.query().is_some_and(|query| query.split('&').any(|item| item == "find"));
            let html = shown.html();
            page(&asked, html, StatusCode::OK, &signup.shell.apply).answer(&headers)
        }
        Err(error) => message(&signup, &headers, &asked, &error),
    }
}

/// `GET /a/{receipt}`
pub(crate) async fn receipt(
    State(signup): State<Arc<SignupState>>,
    PathId(text): PathId,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let asked = Asked::of(&uri, &headers);
    match signup.own(&text).await {
        Ok(own) => {
            let cancel_asked = asked.query.get("asked") == "cancel";
            let html = match own.state {
                Some(state) => ReceiptPage::of(&signup, &own, state, asked.language, cancel_asked).html(),
                None => receipt_page::view_only(&signup, &own, asked.language),
            };
            page(&asked, html, StatusCode::OK, &signup.shell.wait).answer(&headers)
        }
        Err(error) => message(&signup, &headers, &asked, &error),
    }
}

/// The event's page again, with what was typed and why it was not taken.
pub(crate) fn refused(
    signup: &SignupState,
    event: &str,
    headers: &HeaderMap,
    typed: &Typed,
    error: &Error,
) -> Response {
    let asked = Asked::of_form(typed, headers);
    let Ok(documents) = signup.documents(event) else { return message(signup, headers, &asked, error) };
    let retry = error.retry_after(&signup.rng);
    let html = EventPage::refused(signup, &documents, asked.language, typed, (error, retry)).html();
    let answer = Page { retry_after: retry, ..page(&asked, html, error.kind().0, &signup.shell.apply) };
    answer.answer(headers)
}

/// The event's page again, with the search open and why nothing was found.
pub(crate) fn not_found_by_code(
    signup: &SignupState,
    headers: &HeaderMap,
    typed: &Typed,
    error: &Error,
) -> Response {
    let asked = Asked::of_form(typed, headers);
    let Ok(documents) = signup.documents(typed.get("event")) else {
        return message(signup, headers, &asked, error);
    };
    let retry = error.retry_after(&signup.rng);
    let mut shown = EventPage::fresh(signup, &documents, asked.language);
    shown.search_failed(typed, error);
    let html = shown.html();
    let answer = Page { retry_after: retry, ..page(&asked, html, error.kind().0, &signup.shell.apply) };
    answer.answer(headers)
}

/// A page that tells why a form was refused.
pub(crate) fn told(signup: &SignupState, headers: &HeaderMap, error: &Error) -> Response {
    // A reload would send the form again, so this page does not reload by itself.
    let asked = Asked::of_form(&Typed::default(), headers);
    message_page(signup, headers, &asked, error, None)
}

fn message(signup: &SignupState, headers: &HeaderMap, asked: &Asked, error: &Error) -> Response {
    message_page(signup, headers, asked, error, error.retry_after(&signup.rng))
}

fn message_page(
    signup: &SignupState,
    headers: &HeaderMap,
    asked: &Asked,
    error: &Error,
    reload_s: Option<u32>,
) -> Response {
    let (head, text) = error.told(asked.language);
    let (status, code) = error.kind();
    let mut frame = frame(signup, asked.language, head, code);
    head.clone_into(&mut frame.head);
    frame.lede = text;
    frame.refresh_s = reload_s.map(|_| REFRESH_S);
    if let Some(seconds) = reload_s {
        frame.data = for_script(&json!({
            "event": "", "now": signup.now(), "lang": asked.language.tag(), "retry": seconds, "text": {},
        }));
    }
    let html = render(&MessageView { frame, event: None });
    let answer =
        Page { retry_after: error.retry_after(&signup.rng), ..page(asked, html, status, &signup.shell.wait) };
    answer.answer(headers)
}

fn page<'a>(asked: &Asked, html: String, status: StatusCode, script: &'a Script) -> Page<'a> {
    Page { status, html, script, language: asked.language, remember: asked.remember, retry_after: None }
}

/// The frame of a page, without headline and data; with the script of the receipt's page.
pub(crate) fn frame<'a>(
    signup: &'a SignupState,
    language: Language,
    brand: &str,
    state: &'static str,
) -> Frame<'a> {
    let messages = messages::of(language);
    Frame {
        messages,
        css: &signup.shell.css,
        title: brand.to_owned(),
        brand: brand.to_owned(),
        language_href: format!("?lang={}", messages.other_lang),
        state,
        head: String::new(),
        lede: String::new(),
        refresh_s: None,
        support: None,
        data: String::new(),
        script: &signup.shell.wait.source,
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
