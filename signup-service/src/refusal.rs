//! Why the desk says no: each reason with its status, its stable code and its words. How it looks on the page is in `pages.rs`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::{Chance, Millis};
use queue::Refused;
use serde::Serialize;
use serde_json::json;
use service::problem::{Problem, jittered};

use crate::copy::{self, Copy, Words, fill};
use crate::when;
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
    pub(crate) fn text(self, copy: &'static Copy) -> &'static str {
        match self {
            Self::Required => copy.field_required,
            Self::TooLong => copy.field_too_long,
            Self::BadCharacter => copy.field_bad_character,
            Self::NotAPhone => copy.field_not_a_phone,
            Self::NotText => copy.field_not_text,
            Self::ConsentRequired => copy.field_consent,
            Self::NotAnEvent => copy.field_event,
            Self::Shape => copy.field_shape,
        }
    }
}

/// Why the desk says no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
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

impl From<Refused> for Refusal {
    /// What the line says to somebody who applies.
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::UnknownEvent => Self::UnknownEvent,
            Refused::NotOpen { opens_at } => Self::NotOpen { opens_at, now: opens_at },
            Refused::Closed { closed_at } => Self::Closed { closed_at },
            Refused::OnHold => Self::OnHold,
            Refused::Full => Self::Full,
            Refused::NotArmed | Refused::Regressed | Refused::AtLimit | Refused::Unavailable(_) => Self::Busy,
        }
    }
}

impl Refusal {
    /// What the line's word means to somebody who looks an application up: it is kept, unless the event is gone.
    pub(crate) fn of_look_up(refused: &Refused) -> Self {
        match refused {
            Refused::UnknownEvent => Self::UnknownEvent,
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
            Self::Full => (StatusCode::CONFLICT, "line-full"),
            Self::OnHold => (StatusCode::SERVICE_UNAVAILABLE, "intake-on-hold"),
            Self::Busy | Self::NotReady => (StatusCode::SERVICE_UNAVAILABLE, "temporarily-unavailable"),
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

    fn words(&self, copy: &'static Copy) -> Words {
        match self {
            Self::UnknownEvent => copy.unknown_event,
            Self::NotFound => copy.not_found,
            Self::NotOpen { .. } => copy.not_open,
            Self::Closed { .. } => copy.event_closed,
            Self::Full => copy.full,
            Self::OnHold => copy.on_hold,
            Self::Busy => copy.busy,
            Self::Safe => copy.safe,
            Self::NotReady => copy.not_ready,
            Self::Invalid(_) => copy.invalid,
            Self::Malformed => copy.malformed,
            Self::BadKey => copy.bad_key,
            Self::TooLarge => copy.too_large,
            Self::WrongType => copy.wrong_type,
            Self::CrossSite => copy.cross_site,
            Self::ViewOnly => copy.no_right,
            Self::NoMatch => copy.no_match,
            Self::TooMany { .. } => copy.too_many,
        }
    }

    /// The headline and the sentence, filled in.
    pub(crate) fn told(&self, language: Language) -> (&'static str, String) {
        let words = self.words(copy::of(language));
        let text = match self {
            Self::NotOpen { opens_at, .. } => fill(words.text, &[("date", &when::date(*opens_at, language))]),
            Self::TooMany { retry_s } => fill(words.text, &[("s", &retry_s.to_string())]),
            _ => words.text.to_owned(),
        };
        (words.head, text)
    }

    /// Seconds to wait, spread by chance so that the refused do not all come back at once.
    pub(crate) fn retry_after(&self, chance: &Chance) -> Option<u32> {
        match self {
            Self::NotOpen { opens_at, now } => {
                let left = (opens_at - now).max(0).unsigned_abs().div_ceil(1000);
                Some(u32::try_from(left).unwrap_or(u32::MAX).max(1))
            }
            Self::OnHold => Some(jittered(10, chance)),
            Self::Busy | Self::Safe | Self::NotReady => Some(jittered(2, chance)),
            Self::TooMany { retry_s } => Some(*retry_s),
            _ => None,
        }
    }

    /// The answer as `application/problem+json`.
    pub(crate) fn problem(&self, language: Language, chance: &Chance) -> Response {
        let (status, code) = self.kind();
        let (head, text) = self.told(language);
        let mut problem = Problem::new(status, code, head).detail(text);
        if let Some(seconds) = self.retry_after(chance) {
            problem = problem.retry_after(seconds);
        }
        problem = match self {
            Self::NotOpen { opens_at, now } => {
                problem.with("opens_at", json!(opens_at)).with("server_time_ms", json!(now))
            }
            Self::Closed { closed_at } => problem.with("closed_at", json!(closed_at)),
            Self::OnHold | Self::Busy => problem.with("registered", json!(false)),
            Self::Invalid(fields) => problem.with("errors", errors(fields, copy::of(language))),
            _ => problem,
        };
        localised(problem.into_response(), language)
    }
}

fn errors(fields: &[BadInput], copy: &'static Copy) -> serde_json::Value {
    let told = |f: &BadInput| json!({"pointer": f.pointer, "code": f.fault, "detail": f.fault.text(copy)});
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
        let chance: Chance = std::sync::Arc::new(|bytes: &mut [u8]| bytes.fill(0));
        let early = Refusal::NotOpen { opens_at: 10_001, now: 8_000 };
        assert_eq!(early.retry_after(&chance), Some(3));
        assert_eq!(Refusal::NotOpen { opens_at: 5, now: 5 }.retry_after(&chance), Some(1));
    }

    #[test]
    fn a_look_up_that_fails_never_says_that_nothing_is_there() {
        assert_eq!(Refusal::of_look_up(&Refused::NotArmed), Refusal::Safe);
        assert_eq!(Refusal::of_look_up(&Refused::Unavailable("x".into())), Refusal::Safe);
        assert_eq!(Refusal::from(Refused::NotArmed), Refusal::Busy);
    }
}
