//! The responses on a path that belongs to an event: reads are redirected to the event's page, other requests are refused with a link to it.

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use service::Language;

use super::{AcceptedFormats, RefusalReason, Rendered, problem, rendered};
use crate::page::{Next, RefusalPage};

/// The reasons for which a path leads to an event.
const REASONS: [RefusalReason; 5] = [
    RefusalReason::Diverted,
    RefusalReason::PassRequired,
    RefusalReason::PassExpired,
    RefusalReason::PassInvalid,
    RefusalReason::PassWrongEvent,
];

/// The responses of one event, rendered.
#[derive(Debug)]
pub(crate) struct EventResponses {
    location: HeaderValue,
    korean: Vec<EventRefusal>,
    english: Vec<EventRefusal>,
}

/// A refusal in one language, as a page and as a problem document.
#[derive(Debug)]
struct EventRefusal {
    page: Rendered,
    problem: Rendered,
}

impl EventRefusal {
    fn new(reason: RefusalReason, link: &str, language: Language, page: &RefusalPage) -> Self {
        let problem = problem(reason, language).with("link", link).to_json().to_string();
        let html = RefusalPage::html(language, reason.message(language), Next::Go(link));
        let rendered = |kind, body, policy| rendered(reason, language, None, kind, body, policy);
        Self {
            page: rendered("text/html; charset=utf-8", Bytes::from(html), Some(page.policy())),
            problem: rendered("application/problem+json", Bytes::from(problem), None),
        }
    }
}

impl EventResponses {
    /// The responses that lead to the page of this event.
    pub(crate) fn new(event: &domain::EventId, page: &RefusalPage) -> Self {
        let link = format!("/e/{event}");
        let location = HeaderValue::from_str(&link)
            .unwrap_or_else(|_| unreachable!("event ids fit in a header: a-z, 0-9 and dashes"));
        let refusals = |language| {
            REASONS.iter().map(|reason| EventRefusal::new(*reason, &link, language, page)).collect()
        };
        Self { location, korean: refusals(Language::Korean), english: refusals(Language::English) }
    }

    /// Redirects to the event's page.
    pub(crate) fn redirect(&self) -> Response {
        let headers = [
            (header::LOCATION, self.location.clone()),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        (StatusCode::SEE_OTHER, headers).into_response()
    }

    /// Refuses with a link to the event's page.
    pub(crate) fn refusal(&self, reason: RefusalReason, accepted: &AcceptedFormats) -> Response {
        let refusals = match accepted.language() {
            Language::Korean => &self.korean,
            Language::English => &self.english,
        };
        let at = REASONS.iter().position(|known| *known == reason).unwrap_or(0);
        let rendered = if accepted.wants_page() { &refusals[at].page } else { &refusals[at].problem };
        let mut response = Response::new(Body::from(rendered.body.clone()));
        *response.status_mut() = reason.kind().0;
        response.headers_mut().clone_from(&rendered.headers);
        response.headers_mut().insert(header::LOCATION, self.location.clone());
        response
    }
}
