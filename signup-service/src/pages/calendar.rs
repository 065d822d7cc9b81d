//! The calendar entry of an event's opening (RFC 5545), with a reminder ten minutes before.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use service::Language;

use super::context::PageContext;
use super::error::PageError;
use crate::documents::EventDocuments;
use crate::messages::fill;
use crate::request::PathParameter;
use crate::response::add_language;
use crate::state::SignupState;
use crate::timestamp;

/// The most bytes of a line, without its end.
const LINE_MAX: usize = 75;

/// `GET /e/{event}/calendar.ics`
pub(crate) async fn get(
    State(signup): State<Arc<SignupState>>,
    PathParameter(event): PathParameter,
    context: PageContext,
) -> Result<Response, PageError> {
    let documents = signup.documents(&event).map_err(|error| PageError::new(error, &context))?;
    let headers = [
        (header::CONTENT_TYPE, "text/calendar; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("inline; filename=\"{}.ics\"", documents.snapshot.settings.id)),
    ];
    let mut response = (headers, calendar(&signup, &documents, context.language)).into_response();
    add_language(response.headers_mut(), context.language);
    Ok(response)
}

fn calendar(signup: &SignupState, documents: &EventDocuments, language: Language) -> String {
    let settings = &documents.snapshot.settings;
    let title = settings.title.in_language(language.tag());
    let summary = escaped(&fill(signup.text(language).calendar_entry, &[("title", title)]));
    let base = signup.config.public_url.as_str();
    let (event, rev) = (&settings.id, documents.snapshot.rev);
    let host = base.split("://").nth(1).unwrap_or("firstcome");
    let mut lines = vec![
        "BEGIN:VCALENDAR".to_owned(),
        "VERSION:2.0".to_owned(),
        "PRODID:-//Firstcome//Signup//EN".to_owned(),
        "BEGIN:VEVENT".to_owned(),
        // The same entry after a change of the opening, in a later version.
        format!("UID:{event}@{host}"),
        format!("SEQUENCE:{rev}"),
        format!("DTSTAMP:{}", timestamp::utc(documents.queue_time(signup.now()))),
        format!("DTSTART:{}", timestamp::utc(settings.opens_at)),
        "DURATION:PT10M".to_owned(),
        format!("SUMMARY:{summary}"),
    ];
    if !base.is_empty() {
        lines.push(format!("URL:{base}/e/{event}"));
    }
    lines.extend([
        "BEGIN:VALARM".to_owned(),
        "ACTION:DISPLAY".to_owned(),
        format!("DESCRIPTION:{summary}"),
        "TRIGGER:-PT10M".to_owned(),
        "END:VALARM".to_owned(),
        "END:VEVENT".to_owned(),
        "END:VCALENDAR".to_owned(),
    ]);
    lines.iter().map(|line| folded(line) + "\r\n").collect()
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace(';', "\\;").replace(',', "\\,").replace(['\r', '\n'], " ")
}

/// A content line, continued on further lines where it is too long.
fn folded(line: &str) -> String {
    let mut folded = String::with_capacity(line.len());
    let mut len = 0;
    for c in line.chars() {
        if len + c.len_utf8() > LINE_MAX {
            folded.push_str("\r\n ");
            len = 1;
        }
        folded.push(c);
        len += c.len_utf8();
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_folded_between_characters() {
        let line = format!("SUMMARY:{}", "봄".repeat(50));
        let folded = folded(&line);
        assert_eq!(folded.replace("\r\n ", ""), line);
        let lens: Vec<_> = folded.split("\r\n").map(str::len).collect();
        assert_eq!(lens, [74, 73, 13]);
        assert_eq!(super::folded("VERSION:2.0"), "VERSION:2.0");
    }

    #[test]
    fn the_separators_of_values_are_escaped() {
        assert_eq!(escaped("1+1; 10%, a\\b\nc"), "1+1\\; 10%\\, a\\\\b c");
    }
}
