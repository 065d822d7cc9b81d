//! Why the signup service says no: each reason with its status, its stable code and its words. How it looks on the page is in `pages.rs`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::{Millis, Rng};
use queue::QueueError;
use serde::Serialize;
use serde_json::json;
use service::problem::{Problem, jittered};

use crate::messages::{self, Message, Messages, fill};
use crate::timestamp;
use service::Language;

/// A field that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadInput {
    /// Which, as a JSON pointer.
    pub(crate) pointer: &'static str,
    /// Why.
    pub(crate) fault: Fault,
}

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fault {
    /// Missing or blank.
    Required,
    /// Longer than its limit.
    TooLong,
    /// Holds a character that cannot be used.
    BadCharacter,
    /// Not a phone number.
    NotAPhone,
    /// Not a JSON string.
    NotText,
    /// Consent was not given.
    ConsentRequired,
    /// Not an event id.
    NotAnEvent,
    /// A field is unknown, doubled, or the whole is no object.
    Shape,
}

impl Fault {
    /// The words for it.
    pub(crate) fn text(self, messages: &'static Messages) -> &'static str {
        match self {
            Self::Required => messages.field_required,
            Self::TooLong => messages.field_too_long,
            Self::BadCharacter => messages.field_bad_character,
            Self::NotAPhone => messages.field_not_a_phone,
            Self::NotText => messages.field_not_text,
            Self::ConsentRequired => messages.field_consent,
            Self::NotAnEvent => messages.field_event,
            Self::Shape => messages.field_shape,
        }
    }
}

/// Why the signup service says no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Error {
    /// There is no such event.
    UnknownEvent,
    /// Not a receipt of ours.
    NotFound,
    /// Too early.
    NotOpen { opens_at: Millis, now: Millis },
    /// Too late, for good.
    Closed { closed_at: Millis },
    /// As many as can be have applied.
    Full,
    /// The operator holds applying back.
    OnHold,
    /// No number could be given now; none was.
    Busy,
    /// The answer was lost on its way: the application may have its number.
    OutcomeUnknown,
    /// An application cannot be looked up now; it is kept.
    Safe,
    /// The documents are not made yet.
    NotReady,
    /// Fields are wrong.
    Invalid(Vec<BadInput>),
    /// Not JSON.
    Malformed,
    /// The idempotency key is none.
    BadKey,
    /// The body is too large.
    TooLarge,
    /// The body's type is unknown.
    WrongType,
    /// A browser sent it from another site.
    CrossSite,
    /// A view receipt asked for what needs a full one.
    ViewOnly,
    /// Phone and code do not belong together; which of them is wrong is not told.
    NoMatch,
    /// Too many tries.
    TooMany { retry_s: u32 },
}

impl From<QueueError> for Error {
    /// The error of an apply request.
    fn from(refused: QueueError) -> Self {
        match refused {
            QueueError::UnknownEvent => Self::UnknownEvent,
            QueueError::NotOpen { opens_at } => Self::NotOpen { opens_at, now: opens_at },
            QueueError::Closed { closed_at } => Self::Closed { closed_at },
            QueueError::OnHold => Self::OnHold,
            QueueError::Full => Self::Full,
            QueueError::NotArmed
            | QueueError::Regressed
            | QueueError::AtLimit
            | QueueError::Unavailable(_) => Self::Busy,
            QueueError::Unknown(_) => Self::OutcomeUnknown,
        }
    }
}

impl Error {
    /// The error of a lookup: the application is kept, unless the event is gone.
    pub(crate) fn of_look_up(refused: &QueueError) -> Self {
        match refused {
            QueueError::UnknownEvent => Self::UnknownEvent,
            _ => Self::Safe,
        }
    }

    /// Status and stable code.
    pub(crate) fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            Self::UnknownEvent => (StatusCode::NOT_FOUND, "unknown-event"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found"),
            Self::NotOpen { .. } => (StatusCode::CONFLICT, "event-not-open"),
            Self::Closed { .. } => (StatusCode::GONE, "event-closed"),
            Self::Full => (StatusCode::CONFLICT, "queue-full"),
            Self::OnHold => (StatusCode::SERVICE_UNAVAILABLE, "intake-on-hold"),
            Self::Busy | Self::NotReady => (StatusCode::SERVICE_UNAVAILABLE, "temporarily-unavailable"),
            Self::OutcomeUnknown => (StatusCode::SERVICE_UNAVAILABLE, "outcome-unknown"),
            Self::Safe => (StatusCode::SERVICE_UNAVAILABLE, "place-safe"),
            Self::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "validation"),
            Self::Malformed => (StatusCode::BAD_REQUEST, "malformed"),
            Self::BadKey => (StatusCode::BAD_REQUEST, "idempotency-key-invalid"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
            Self::WrongType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type"),
            Self::CrossSite => (StatusCode::FORBIDDEN, "cross-site"),
            Self::ViewOnly => (StatusCode::FORBIDDEN, "view-only"),
            Self::NoMatch => (StatusCode::NOT_FOUND, "no-match"),
            Self::TooMany { .. } => (StatusCode::TOO_MANY_REQUESTS, "too-many-tries"),
        }
    }

    fn words(&self, messages: &'static Messages) -> Message {
        match self {
            Self::UnknownEvent => messages.unknown_event,
            Self::NotFound => messages.not_found,
            Self::NotOpen { .. } => messages.not_open,
            Self::Closed { .. } => messages.event_closed,
            Self::Full => messages.full,
            Self::OnHold => messages.on_hold,
            Self::Busy => messages.busy,
            Self::OutcomeUnknown => messages.unknown_result,
            Self::Safe => messages.safe,
            Self::NotReady => messages.not_ready,
            Self::Invalid(_) => messages.invalid,
            Self::Malformed => messages.malformed,
            Self::BadKey => messages.bad_key,
            Self::TooLarge => messages.too_large,
            Self::WrongType => messages.wrong_type,
            Self::CrossSite => messages.cross_site,
            Self::ViewOnly => messages.no_right,
            Self::NoMatch => messages.no_match,
            Self::TooMany { .. } => messages.too_many,
        }
    }

    /// The headline and the sentence, filled in.
    pub(crate) fn told(&self, language: Language) -> (&'static str, String) {
        let words = self.words(messages::of(language));
        let text = match self {
            Self::NotOpen { opens_at, .. } => {
                fill(words.text, &[("date", &timestamp::date(*opens_at, language))])
            }
            Self::TooMany { retry_s } => fill(words.text, &[("s", &retry_s.to_string())]),
            _ => words.text.to_owned(),
        };
        (words.head, text)
    }

    /// Seconds to wait, spread by chance so that the refused do not all come back at once.
    pub(crate) fn retry_after(&self, rng: &Rng) -> Option<u32> {
        match self {
            Self::NotOpen { opens_at, now } => {
                let left = (opens_at - now).max(0).unsigned_abs().div_ceil(1000);
                Some(u32::try_from(left).unwrap_or(u32::MAX).max(1))
            }
            Self::OnHold => Some(jittered(10, rng)),
            Self::Busy | Self::OutcomeUnknown | Self::Safe | Self::NotReady => Some(jittered(2, rng)),
            Self::TooMany { retry_s } => Some(*retry_s),
            _ => None,
        }
    }

    /// The answer as `application/problem+json`.
    pub(crate) fn problem(&self, language: Language, rng: &Rng) -> Response {
        let (status, code) = self.kind();
        let (head, text) = self.told(language);
        let mut problem = Problem::new(status, code, head).detail(text);
        if let Some(seconds) = self.retry_after(rng) {
            problem = problem.retry_after(seconds);
        }
        problem = match self {
            Self::NotOpen { opens_at, now } => {
                problem.with("opens_at", json!(opens_at)).with("server_time_ms", json!(now))
            }
            Self::Closed { closed_at } => problem.with("closed_at", json!(closed_at)),
            // An unknown outcome says nothing of it: neither yes nor no is true.
            Self::OnHold | Self::Busy => problem.with("registered", json!(false)),
            Self::Invalid(fields) => problem.with("errors", errors(fields, messages::of(language))),
            _ => problem,
        };
        localised(problem.into_response(), language)
    }
}

fn errors(fields: &[BadInput], messages: &'static Messages) -> serde_json::Value {
    let told =
        |f: &BadInput| json!({"pointer": f.pointer, "code": f.fault, "detail": f.fault.text(messages)});
    fields.iter().map(told).collect()
}

/// The answer with its language told.
pub(crate) fn localised(mut answer: Response, language: Language) -> Response {
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
    headers.append(header::VARY, HeaderValue::from_static("Accept-Language"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_early_is_told_how_long_to_wait() {
        let rng: Rng = std::sync::Arc::new(|bytes: &mut [u8]| bytes.fill(0));
        let early = Error::NotOpen { opens_at: 10_001, now: 8_000 };
        assert_eq!(early.retry_after(&rng), Some(3));
        assert_eq!(Error::NotOpen { opens_at: 5, now: 5 }.retry_after(&rng), Some(1));
    }

    #[test]
    fn a_look_up_that_fails_never_says_that_nothing_is_there() {
        assert_eq!(Error::of_look_up(&QueueError::NotArmed), Error::Safe);
        assert_eq!(Error::of_look_up(&QueueError::Unavailable("x".into())), Error::Safe);
        assert_eq!(Error::of_look_up(&QueueError::Unknown("x".into())), Error::Safe);
        assert_eq!(Error::from(QueueError::NotArmed), Error::Busy);
    }

    #[test]
    fn only_a_lost_answer_leaves_open_whether_one_is_registered() {
        assert_eq!(Error::from(QueueError::Unknown("x".into())), Error::OutcomeUnknown);
        assert_eq!(Error::from(QueueError::Unavailable("x".into())), Error::Busy);
    }
}
