//! Errors of the signup service: each with its HTTP status, stable code and text. `error_response.rs` decides whether an error
//! becomes JSON or a page.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::{Millis, Rng};
use queue::QueueError;
use serde::Serialize;
use serde_json::json;
use service::problem::{Problem, jittered};

use crate::messages::{PageText, TitledText, fill};
use crate::response::add_language;
use crate::timestamp;

/// An invalid field of a request body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InvalidField {
    /// The field as a JSON pointer.
    pub(crate) pointer: &'static str,
    /// What is wrong with it.
    pub(crate) code: InvalidFieldCode,
}

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum InvalidFieldCode {
    /// The field is missing or blank.
    Required,
    /// The text is longer than its limit.
    TooLong,
    /// The text has a character that is not allowed.
    BadCharacter,
    /// The text is not a phone number.
    NotAPhone,
    /// The value is not a JSON string.
    NotText,
    /// Consent was not given.
    ConsentRequired,
    /// The text is not an event id.
    NotAnEvent,
    /// A field is unknown or given twice, or the body is not an object.
    Shape,
}

impl InvalidFieldCode {
    /// The text for the applicant.
    pub(crate) fn text(self, text: &'static PageText) -> &'static str {
        match self {
            Self::Required => text.field_required,
            Self::TooLong => text.field_too_long,
            Self::BadCharacter => text.field_bad_character,
            Self::NotAPhone => text.field_not_a_phone,
            Self::NotText => text.field_not_text,
            Self::ConsentRequired => text.field_consent,
            Self::NotAnEvent => text.field_event,
            Self::Shape => text.field_shape,
        }
    }
}

/// Why a request does not identify a member of the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SignInReason {
    /// It has no token.
    Missing,
    /// The token has expired.
    Expired,
    /// The token is not one of the shop's.
    Invalid,
}

/// An error of the signup service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Error {
    /// The event does not exist.
    UnknownEvent,
    /// The receipt was not issued by this system.
    InvalidReceipt,
    /// There is no page at the address.
    UnknownPage,
    /// The page does not allow the method.
    MethodNotAllowed,
    /// The event is not open yet.
    EventNotOpen { opens_at: Millis, now: Millis },
    /// The event is closed for good.
    EventClosed { closed_at: Millis },
    /// The queue has as many applications as it may have.
    QueueFull,
    /// The operator holds the intake of applications.
    IntakeOnHold,
    /// No number can be given now, and none was.
    Busy,
    /// The queue's reply was lost: the application may have a number.
    OutcomeUnknown,
    /// An application cannot be looked up now. It keeps its place.
    LookupFailed,
    /// The documents are not rendered yet.
    NotReady,
    /// Fields of the body are invalid.
    Invalid(Vec<InvalidField>),
    /// The body is not JSON.
    Malformed,
    /// The idempotency key is not valid.
    InvalidIdempotencyKey,
    /// The body is too large.
    TooLarge,
    /// The body's content type is not supported.
    UnsupportedMediaType,
    /// A browser sent the request from a page of another site.
    CrossSite,
    /// The event is for members of the shop, and the request has no valid token of the shop.
    SignInRequired(SignInReason),
    /// A view receipt was used where a full receipt is required.
    ViewOnly,
    /// The report has no valid token.
    Unauthorized,
    /// There is no application with this number and GUID.
    UnknownApplication,
    /// The applicant is not called.
    NotCalled,
    /// The called applicant's time is over.
    TimeOver,
    /// The event allows no more time.
    NoExtension,
    /// Phone and recovery code do not belong together. Which of them is wrong stays secret.
    NoMatch,
    /// Too many attempts were made.
    TooManyAttempts { retry_s: u32 },
}

impl From<QueueError> for Error {
    /// The error of an application.
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::UnknownEvent => Self::UnknownEvent,
            QueueError::NotOpen { opens_at } => Self::EventNotOpen { opens_at, now: opens_at },
            QueueError::Closed { closed_at } => Self::EventClosed { closed_at },
            QueueError::OnHold => Self::IntakeOnHold,
            QueueError::Full => Self::QueueFull,
            QueueError::NotArmed
            | QueueError::Regressed
            | QueueError::AtLimit
            | QueueError::Unavailable(_) => Self::Busy,
            QueueError::Unknown(_) => Self::OutcomeUnknown,
        }
    }
}

impl Error {
    /// The error of a lookup. Unless the event is gone, the application keeps its place.
    pub(crate) fn of_lookup(error: &QueueError) -> Self {
        match error {
            QueueError::UnknownEvent => Self::UnknownEvent,
            _ => Self::LookupFailed,
        }
    }

    /// The error, as a lookup reports it: documents that are not ready are a failed lookup.
    pub(crate) fn into_lookup(self) -> Self {
        if self == Self::NotReady { Self::LookupFailed } else { self }
    }

    /// Status and stable code.
    pub(crate) fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            Self::UnknownEvent => (StatusCode::NOT_FOUND, "unknown-event"),
            Self::InvalidReceipt => (StatusCode::NOT_FOUND, "not-found"),
            Self::UnknownPage => (StatusCode::NOT_FOUND, "unknown-page"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed"),
            Self::EventNotOpen { .. } => (StatusCode::CONFLICT, "event-not-open"),
            Self::EventClosed { .. } => (StatusCode::GONE, "event-closed"),
            Self::QueueFull => (StatusCode::CONFLICT, "queue-full"),
            Self::IntakeOnHold => (StatusCode::SERVICE_UNAVAILABLE, "intake-on-hold"),
            Self::Busy | Self::NotReady => (StatusCode::SERVICE_UNAVAILABLE, "temporarily-unavailable"),
            Self::OutcomeUnknown => (StatusCode::SERVICE_UNAVAILABLE, "outcome-unknown"),
            Self::LookupFailed => (StatusCode::SERVICE_UNAVAILABLE, "place-safe"),
            Self::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "validation"),
            Self::Malformed => (StatusCode::BAD_REQUEST, "malformed"),
            Self::InvalidIdempotencyKey => (StatusCode::BAD_REQUEST, "idempotency-key-invalid"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
            Self::UnsupportedMediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type"),
            Self::CrossSite => (StatusCode::FORBIDDEN, "cross-site"),
            Self::SignInRequired(_) => (StatusCode::UNAUTHORIZED, "sign-in-required"),
            Self::ViewOnly => (StatusCode::FORBIDDEN, "view-only"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::UnknownApplication => (StatusCode::NOT_FOUND, "unknown-application"),
            Self::NotCalled => (StatusCode::CONFLICT, "not-called"),
            Self::TimeOver => (StatusCode::GONE, "time-over"),
            Self::NoExtension => (StatusCode::CONFLICT, "no-extension"),
            Self::NoMatch => (StatusCode::NOT_FOUND, "no-match"),
            Self::TooManyAttempts { .. } => (StatusCode::TOO_MANY_REQUESTS, "too-many-tries"),
        }
    }

    fn template(&self, text: &'static PageText) -> TitledText {
        match self {
            Self::UnknownEvent => text.unknown_event,
            Self::InvalidReceipt => text.invalid_receipt,
            Self::UnknownPage => text.unknown_page,
            Self::MethodNotAllowed => text.method_not_allowed,
            Self::EventNotOpen { .. } => text.event_not_open,
            Self::EventClosed { .. } => text.event_closed,
            Self::QueueFull => text.queue_full,
            Self::IntakeOnHold => text.intake_on_hold,
            Self::Busy => text.busy,
            Self::OutcomeUnknown => text.outcome_unknown,
            Self::LookupFailed => text.lookup_failed,
            Self::NotReady => text.not_ready,
            Self::Invalid(_) => text.invalid,
            Self::Malformed => text.malformed,
            Self::InvalidIdempotencyKey => text.invalid_idempotency_key,
            Self::TooLarge => text.too_large,
            Self::UnsupportedMediaType => text.unsupported_media_type,
            Self::CrossSite => text.cross_site,
            Self::SignInRequired(_) => text.sign_in_required,
            Self::ViewOnly => text.view_only_receipt,
            Self::Unauthorized => text.unauthorized,
            Self::UnknownApplication => text.unknown_application,
            Self::NotCalled => text.not_called,
            Self::TimeOver => text.time_over,
            Self::NoExtension => text.no_extension,
            Self::NoMatch => text.no_match,
            Self::TooManyAttempts { .. } => text.too_many_attempts,
        }
    }

    /// The title.
    pub(crate) fn title(&self, text: &'static PageText) -> &'static str {
        self.template(text).title
    }

    /// The sentence below the title, with its values.
    pub(crate) fn detail(&self, text: &'static PageText) -> String {
        let template = self.template(text).text;
        match self {
            Self::EventNotOpen { opens_at, .. } => {
                fill(template, &[("date", &timestamp::date(*opens_at, text.language))])
            }
            Self::TooManyAttempts { retry_s } => fill(template, &[("s", &retry_s.to_string())]),
            _ => template.to_owned(),
        }
    }

    /// Seconds to wait before the next attempt. They are random where many clients get the same error at once, so that these do
    /// not all come back at once.
    pub(crate) fn retry_after(&self, rng: &Rng) -> Option<u32> {
        match self {
            Self::EventNotOpen { opens_at, now } => {
                let left = (opens_at - now).max(0).unsigned_abs().div_ceil(1000);
                Some(u32::try_from(left).unwrap_or(u32::MAX).max(1))
            }
            Self::IntakeOnHold => Some(jittered(10, rng)),
            Self::Busy | Self::OutcomeUnknown | Self::LookupFailed | Self::NotReady => Some(jittered(2, rng)),
            Self::TooManyAttempts { retry_s } => Some(*retry_s),
            _ => None,
        }
    }

    /// The response as `application/problem+json`.
    pub(crate) fn problem(&self, text: &'static PageText, rng: &Rng) -> Response {
        let (status, code) = self.kind();
        let mut problem = Problem::new(status, code, self.title(text)).detail(self.detail(text));
        problem.retry_after_s = self.retry_after(rng);
        problem = match self {
            Self::EventNotOpen { opens_at, now } => {
                problem.with("opens_at", json!(opens_at)).with("server_time_ms", json!(now))
            }
            Self::EventClosed { closed_at } => problem.with("closed_at", json!(closed_at)),
            // `OutcomeUnknown` has no `registered`: neither true nor false would be right.
            Self::IntakeOnHold | Self::Busy => problem.with("registered", json!(false)),
            Self::SignInRequired(reason) => problem.with("reason", json!(reason)),
            Self::Invalid(fields) => problem.with("errors", invalid_fields(fields, text)),
            _ => problem,
        };
        let mut response = problem.into_response();
        add_language(response.headers_mut(), text.language);
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// A response with the status only. The error itself is in its extensions; the outermost layer makes the body and the headers, since
/// handlers know neither the client's language nor a source of random numbers.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = self.kind().0.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

fn invalid_fields(fields: &[InvalidField], text: &'static PageText) -> serde_json::Value {
    let described =
        |f: &InvalidField| json!({"pointer": f.pointer, "code": f.code, "detail": f.code.text(text)});
    fields.iter().map(described).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_the_time_until_the_event_opens() {
        let rng: Rng = std::sync::Arc::new(|bytes: &mut [u8]| bytes.fill(0));
        let early = Error::EventNotOpen { opens_at: 10_001, now: 8_000 };
        assert_eq!(early.retry_after(&rng), Some(3));
        assert_eq!(Error::EventNotOpen { opens_at: 5, now: 5 }.retry_after(&rng), Some(1));
    }

    #[test]
    fn a_failed_lookup_never_claims_that_there_is_no_application() {
        assert_eq!(Error::of_lookup(&QueueError::NotArmed), Error::LookupFailed);
        assert_eq!(Error::of_lookup(&QueueError::Unavailable("x".into())), Error::LookupFailed);
        assert_eq!(Error::of_lookup(&QueueError::Unknown("x".into())), Error::LookupFailed);
        assert_eq!(Error::from(QueueError::NotArmed), Error::Busy);
    }

    #[test]
    fn only_a_lost_reply_leaves_the_registration_unknown() {
        assert_eq!(Error::from(QueueError::Unknown("x".into())), Error::OutcomeUnknown);
        assert_eq!(Error::from(QueueError::Unavailable("x".into())), Error::Busy);
    }
}
