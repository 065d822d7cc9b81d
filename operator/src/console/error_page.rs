//! Errors as pages, in words.

use askama::Template;
use axum::response::{IntoResponse as _, Redirect, Response};

use super::messages::fill;
use super::visit::{ConsoleFrame, Visit};
use super::words;
use crate::error::Error;

/// The page of an error.
#[derive(Template)]
#[template(path = "message.html")]
struct NoticePage {
    frame: ConsoleFrame,
    heading: String,
    lines: Vec<String>,
    back: String,
    back_label: &'static str,
}

/// The page, or the page of its error. A visitor who is not logged in comes to the login.
pub(super) fn finish(visit: &Visit, page: Result<Response, Error>) -> Response {
    match page {
        Ok(response) => response,
        Err(Error::Unauthenticated) => Redirect::to("/login").into_response(),
        Err(error) => notice(visit, &error),
    }
}

/// The page of an error, with a way back to the event that it is about.
fn notice(visit: &Visit, error: &Error) -> Response {
    let t = visit.t;
    let (heading, line) = describe(visit, error);
    let mut segments = visit.parts.uri.path().split('/').skip(1);
    let event = segments.next().filter(|first| *first == "console").and_then(|_| segments.next());
    let event = event.filter(|id| *id != "new" && !matches!(error, Error::UnknownEvent));
    let (back, back_label) = match event {
        Some(id) => (format!("/console/{id}"), t.back),
        None => ("/".to_owned(), t.back_home),
    };
    let frame = visit.frame(heading.clone());
    visit.html(error.status(), &NoticePage { frame, heading, lines: vec![line], back, back_label })
}

/// Title and text of an error.
pub(super) fn describe(visit: &Visit, error: &Error) -> (String, String) {
    let t = visit.t;
    let own = |title: &str, text: &str| (title.to_owned(), text.to_owned());
    match error {
        Error::NotAllowed => own(t.not_allowed, t.not_allowed_text),
        Error::CrossSite => own(t.refused, t.cross_site),
        Error::UnknownEvent | Error::UnknownChange | Error::NotParked | Error::NoApplication => {
            own(t.not_found, t.not_found_text)
        }
        Error::Unavailable => own(t.unavailable, t.unavailable_text),
        Error::Internal => own(t.refused, t.unexpected),
        Error::Exists { .. } => own(t.refused, t.exists),
        Error::UndoTooLate => own(t.refused, t.undo_late),
        Error::NotUndoable => own(t.refused, t.undo_never),
        Error::Stale { .. } | Error::StaleRev => own(t.conflict, t.conflict_text),
        Error::TooManyTries { retry_s } => {
            own(t.refused, &fill(t.token_many, &[("n", &retry_s.to_string())]))
        }
        Error::NotNow { why, .. } => own(t.refused, words::reason(visit.language, why)),
        Error::Invalid(fields) => {
            let name = |pointer: &str| {
                words::field(t, pointer.trim_start_matches('/').rsplit('/').next().unwrap_or_default())
                    .to_owned()
            };
            let lines = fields.iter().map(|field| format!("{}: {}", name(&field.pointer), field.detail));
            own(t.invalid, &lines.collect::<Vec<_>>().join("; "))
        }
        other => own(t.refused, &other.text()),
    }
}
