//! Why the operator API says no: each reason with its status, its stable code and its words; and the same for the API's description.

use std::collections::BTreeMap;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use domain::event::BadSettings;
use domain::{EventState, Rng};
use ledger::{ChangeError, LedgerError};
use serde::Serialize;
use serde_json::json;
use service::openapi::problems;
use service::problem::{Problem, jittered};
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response as Described};

use crate::response::EventShown;

/// A field that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Mistake {
    /// Which, as a JSON pointer.
    pub(crate) pointer: String,
    /// Why, as a stable word.
    pub(crate) code: &'static str,
    /// Why, in words.
    pub(crate) detail: String,
}

impl Mistake {
    fn of(bad: BadSettings) -> Self {
        let (pointer, code) = match bad {
            BadSettings::Capacity => ("/capacity", "out_of_range"),
            BadSettings::InFlight => ("/in_flight_max", "out_of_range"),
            BadSettings::Applications => ("/applications_max", "out_of_range"),
            BadSettings::Times => ("/closes_at", "out_of_order"),
            BadSettings::Text => ("/title", "too_long"),
            BadSettings::Diverts => ("/diverts", "invalid"),
        };
        Self { pointer: pointer.into(), code, detail: bad.to_string() }
    }
}

/// Why the operator API says no.
#[derive(Debug)]
pub(crate) enum Error {
    /// No token, or none of ours.
    Unauthenticated,
    /// Too many wrong tokens.
    TooManyTries { retry_s: u32 },
    /// A viewer asked for a change.
    NotAllowed,
    /// A page from elsewhere sent it.
    CrossSite,
    /// It was sent to another name than the operator API's.
    WrongHost,
    /// There is no such event.
    UnknownEvent,
    /// No such application is parked.
    NotParked,
    /// It cannot be read at all.
    Malformed(String),
    /// The body is not JSON by its type.
    WrongType,
    /// The body is too large.
    TooLarge,
    /// Fields are wrong.
    Invalid(Vec<Mistake>),
    /// `If-Match` is missing.
    NoMatch,
    /// Somebody else changed it meanwhile.
    Stale(Box<EventShown>),
    /// The same, before the event was read again.
    StaleAt,
    /// The state does not allow it.
    NotNow { state: EventState, why: String },
    /// More seats are taken.
    TooSmall { least: u32 },
    /// There is such an event already.
    Exists { rev: i64 },
    /// The ledger does not answer.
    Unavailable,
    /// The ledger is wrong.
    Broken,
}

impl From<LedgerError> for Error {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::UnknownEvent(_) => Self::UnknownEvent,
            LedgerError::Settings(bad) => Self::Invalid(bad.into_iter().map(Mistake::of).collect()),
            LedgerError::Unavailable(_) | LedgerError::Lost => {
                tracing::warn!(%error, "the ledger could not be asked");
                Self::Unavailable
            }
            error => {
                tracing::error!(%error, "the ledger cannot do it");
                Self::Broken
            }
        }
    }
}

impl From<ChangeError> for Error {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Ledger(error) => error.into(),
            ChangeError::Stale { .. } => Self::StaleAt,
            ChangeError::NotNow { state, why } => Self::NotNow { state, why: why.to_owned() },
            ChangeError::TooSmall { least } => Self::TooSmall { least },
        }
    }
}

impl Error {
    /// One field is wrong.
    pub(crate) fn field(pointer: &str, code: &'static str, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![Mistake { pointer: pointer.to_owned(), code, detail: detail.into() }])
    }

    fn kind(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Unauthenticated => {
                (StatusCode::UNAUTHORIZED, "unauthenticated", "A token that the operator API knows is needed")
            }
            Self::TooManyTries { .. } => {
                (StatusCode::TOO_MANY_REQUESTS, "too-many-tries", "Too many wrong tokens")
            }
            Self::NotAllowed => (StatusCode::FORBIDDEN, "not-allowed", "This token may look, but not change"),
            Self::CrossSite => (StatusCode::FORBIDDEN, "cross-site", "A page from elsewhere sent this"),
            Self::WrongHost => {
                (StatusCode::MISDIRECTED_REQUEST, "wrong-host", "The operator API has another name")
            }
            Self::UnknownEvent => (StatusCode::NOT_FOUND, "unknown-event", "There is no such event"),
            Self::NotParked => (StatusCode::NOT_FOUND, "not-parked", "No such application is parked"),
            Self::Malformed(_) => (StatusCode::BAD_REQUEST, "malformed", "The request cannot be read"),
            Self::WrongType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Send application/json")
            }
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large"),
            Self::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "validation", "Some fields are wrong"),
            Self::NoMatch => (StatusCode::PRECONDITION_REQUIRED, "if-match-required", "If-Match is missing"),
            Self::Stale(_) | Self::StaleAt => {
                (StatusCode::PRECONDITION_FAILED, "changed-meanwhile", "Somebody changed the event meanwhile")
            }
            Self::NotNow { .. } => (StatusCode::CONFLICT, "not-now", "The event's state does not allow it"),
            Self::TooSmall { .. } => {
                (StatusCode::CONFLICT, "capacity-too-small", "More seats than that are taken")
            }
            Self::Exists { .. } => (StatusCode::CONFLICT, "event-exists", "There is such an event already"),
            Self::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "temporarily-unavailable", "The ledger does not answer")
            }
            Self::Broken => {
                (StatusCode::INTERNAL_SERVER_ERROR, "unexpected", "Something went wrong on our side")
            }
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::Unauthenticated => "Send it as: Authorization: Bearer TOKEN".into(),
            Self::Malformed(why) | Self::NotNow { why, .. } => why.clone(),
            Self::WrongHost => "Name the host in operator.hosts, or use one that is there.".into(),
            Self::NoMatch => {
                "Send If-Match with the ETag that you read, or * to change it whatever it is.".into()
            }
            Self::TooSmall { least } => {
                format!("{least} seats are sold or held, so the capacity cannot be lower.")
            }
            Self::Invalid(mistakes) => {
                mistakes.iter().map(|m| format!("{}: {}", m.pointer, m.detail)).collect::<Vec<_>>().join("; ")
            }
            Self::Unavailable => {
                "Nothing may have been changed; look before you try again, or send If-Match.".into()
            }
            _ => String::new(),
        }
    }

    /// The answer as `application/problem+json`.
    pub(crate) fn answer(&self, rng: &Rng) -> Response {
        let (status, code, title) = self.kind();
        let problem = Problem::new(status, code, title).detail(self.detail());
        let problem = match self {
            Self::TooManyTries { retry_s } => problem.retry_after(*retry_s),
            Self::Unavailable => problem.retry_after(jittered(2, rng)),
            Self::NotAllowed => problem.with("required_role", "operator"),
            Self::Invalid(mistakes) => problem.with("errors", json!(mistakes)),
            Self::Stale(event) => problem.with("current", event.rev).with("event", json!(event)),
            Self::NotNow { state, .. } => problem.with("state", state.as_str()),
            Self::TooSmall { least } => problem.with("least", *least),
            Self::Exists { rev } => problem.with("current", *rev),
            _ => problem,
        };
        let mut answer = problem.into_response();
        if matches!(self, Self::Unauthenticated) {
            let scheme = HeaderValue::from_static("Bearer realm=\"firstcome\"");
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        answer
    }
}

type Answers = BTreeMap<String, RefOr<Described>>;

/// What any route may answer beside what it is for.
pub(crate) struct Gateways;

impl IntoResponses for Gateways {
    fn responses() -> Answers {
        problems(&[
            (401, "No token, or none of ours: `unauthenticated`"),
            (405, "Another method: `method-not-allowed`, with `Allow`"),
            (421, "Sent to another name than the operator API's: `wrong-host`"),
            (429, "Too many wrong tokens: `too-many-tries`"),
            (503, "The ledger does not answer: `temporarily-unavailable`"),
        ])
    }
}

/// A route about one event.
pub(crate) struct OfEvent;

impl IntoResponses for OfEvent {
    fn responses() -> Answers {
        let mut all = Gateways::responses();
        all.extend(problems(&[(404, "`unknown-event`")]));
        all
    }
}

/// A route that makes an event.
pub(crate) struct Making;

impl IntoResponses for Making {
    fn responses() -> Answers {
        let mut all = Gateways::responses();
        all.extend(problems(&[
            (403, "`not-allowed` with `required_role`, or `cross-site`"),
            (409, "`event-exists`"),
            (422, "`validation`, with `errors`: pointer, code and detail of each"),
        ]));
        all
    }
}

/// A valve: `If-Match` is honoured, not asked for.
pub(crate) struct Turning;

impl IntoResponses for Turning {
    fn responses() -> Answers {
        let mut all = OfEvent::responses();
        all.extend(Making::responses());
        all.extend(problems(&[
            (409, "`not-now` with `state`, or `capacity-too-small` with `least`"),
            (412, "`changed-meanwhile` with `current` and `event`"),
        ]));
        all
    }
}

/// A setting: `If-Match` is needed.
pub(crate) struct Setting;

impl IntoResponses for Setting {
    fn responses() -> Answers {
        let mut all = Turning::responses();
        all.extend(problems(&[(428, "`if-match-required`")]));
        all
    }
}
