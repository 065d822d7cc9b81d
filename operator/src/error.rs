//! Errors of the operator API: each with its HTTP status, stable code and text, as `application/problem+json`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::EventState;
use domain::event::BadSettings;
use domain::look::BadLook;
use ledger::ChangeError;
use serde::Serialize;
use serde_json::{Value, json};
use service::problem::Problem;

/// A rejected field of a request body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FieldError {
    /// The field as a JSON pointer.
    pub(crate) pointer: String,
    /// A stable code.
    pub(crate) code: &'static str,
    /// The reason in words.
    pub(crate) detail: String,
}

impl From<BadSettings> for FieldError {
    fn from(bad: BadSettings) -> Self {
        let (pointer, code) = match bad {
            BadSettings::Capacity => ("/capacity", "out_of_range"),
            BadSettings::InFlight => ("/in_flight_max", "out_of_range"),
            BadSettings::Applications => ("/applications_max", "out_of_range"),
            BadSettings::Times => ("/closes_at", "out_of_order"),
            BadSettings::Text => ("/title", "too_long"),
            BadSettings::Look(BadLook::Description) => ("/description", "invalid"),
            BadSettings::Look(BadLook::Color) => ("/color", "invalid"),
            BadSettings::Look(BadLook::Picture) => ("/picture_url", "invalid"),
            BadSettings::Look(BadLook::Product) => ("/product_name", "invalid"),
            BadSettings::Diverts => ("/diverts", "invalid"),
            BadSettings::AutoPace => ("/auto_pace", "invalid"),
            BadSettings::CalledFor => ("/called_for_ms", "out_of_range"),
            BadSettings::Extension => ("/extension_ms", "out_of_range"),
            BadSettings::PassTarget => ("/pass_target", "invalid"),
        };
        Self { pointer: pointer.into(), code, detail: bad.to_string() }
    }
}

/// An error of the operator API.
#[derive(Debug)]
pub(crate) enum Error {
    /// The token is missing or unknown.
    Unauthenticated,
    /// Too many wrong tokens came from this address.
    TooManyTries { retry_s: u32 },
    /// A viewer's token was used for a change.
    NotAllowed,
    /// A browser sent the request from a foreign page.
    CrossSite,
    /// The `Host` header names another server.
    WrongHost,
    /// The event does not exist.
    UnknownEvent,
    /// No application with this key is parked.
    NotParked,
    /// The event has no application of that name.
    NoApplication,
    /// The target has no domain event of this event to send again.
    NothingToReplay,
    /// The webhook endpoint does not exist.
    UnknownEndpoint,
    /// A webhook endpoint with this ID exists.
    EndpointExists,
    /// There is no key for the secrets of webhook endpoints.
    WebhooksOff,
    /// The request cannot be parsed.
    Malformed(String),
    /// The body's content type is not JSON.
    WrongType,
    /// The body is too large.
    TooLarge,
    /// Fields of the body are invalid.
    Invalid(Vec<FieldError>),
    /// `If-Match` is missing where it is required.
    IfMatchRequired,
    /// The event is at another rev than `If-Match` names.
    Stale { rev: i64, event: Value },
    /// The ledger's form of [`Error::Stale`], before the event is read again.
    StaleRev,
    /// The event's state does not allow the change.
    NotNow { state: EventState, why: String },
    /// More seats than the new capacity are sold or held.
    CapacityTooSmall { least: u32 },
    /// An event with this id exists.
    Exists { rev: i64 },
    /// No change raised the event to this rev.
    UnknownChange,
    /// A change of this kind cannot be undone.
    NotUndoable,
    /// The time in which the change could be undone is over.
    UndoTooLate,
    /// As many live streams are open as may be.
    TooManyStreams,
    /// The ledger does not respond.
    Unavailable,
    /// The ledger's content or schema is wrong.
    Internal,
}

impl From<ledger::Error> for Error {
    fn from(error: ledger::Error) -> Self {
        match error {
            ledger::Error::UnknownEvent(_) => Self::UnknownEvent,
            ledger::Error::Settings(bad) => Self::Invalid(bad.into_iter().map(FieldError::from).collect()),
            ledger::Error::Unavailable(_) | ledger::Error::Lost => {
                tracing::warn!(%error, "ledger call failed");
                Self::Unavailable
            }
            error => {
                tracing::error!(%error, "ledger call failed");
                Self::Internal
            }
        }
    }
}

impl From<ChangeError> for Error {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Ledger(error) => error.into(),
            ChangeError::Stale { .. } => Self::StaleRev,
            ChangeError::NotNow { state, why } => Self::NotNow { state, why: why.to_owned() },
            ChangeError::TooSmall { least } => Self::CapacityTooSmall { least },
        }
    }
}

impl Error {
    /// One invalid field.
    pub(crate) fn field(pointer: &str, code: &'static str, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError { pointer: pointer.to_owned(), code, detail: detail.into() }])
    }

    /// Status, stable code and title.
    fn kind(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Unauthenticated => {
                (StatusCode::UNAUTHORIZED, "unauthenticated", "A valid token is required")
            }
            Self::TooManyTries { .. } => {
                (StatusCode::TOO_MANY_REQUESTS, "too-many-tries", "Too many wrong tokens")
            }
            Self::NotAllowed => (StatusCode::FORBIDDEN, "not-allowed", "This token may read but not change"),
            Self::CrossSite => {
                (StatusCode::FORBIDDEN, "cross-site", "A page of another site sent this request")
            }
            Self::WrongHost => {
                (StatusCode::MISDIRECTED_REQUEST, "wrong-host", "This server has another host name")
            }
            Self::UnknownEvent => (StatusCode::NOT_FOUND, "unknown-event", "This event does not exist"),
            Self::NoApplication => {
                (StatusCode::NOT_FOUND, "no-application", "The event has no such application")
            }
            Self::NotParked => {
                (StatusCode::NOT_FOUND, "not-parked", "No application with this key is parked")
            }
            Self::UnknownEndpoint => {
                (StatusCode::NOT_FOUND, "unknown-endpoint", "This webhook endpoint does not exist")
            }
            Self::EndpointExists => {
                (StatusCode::CONFLICT, "endpoint-exists", "A webhook endpoint with this id exists")
            }
            Self::WebhooksOff => (StatusCode::CONFLICT, "webhooks-off", "Webhooks are switched off"),
            Self::NothingToReplay => {
                (StatusCode::CONFLICT, "nothing-to-replay", "There is no domain event to send again")
            }
            Self::Malformed(_) => (StatusCode::BAD_REQUEST, "malformed", "The request cannot be parsed"),
            Self::WrongType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Send application/json")
            }
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large"),
            Self::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "validation", "Some fields are invalid"),
            Self::IfMatchRequired => {
                (StatusCode::PRECONDITION_REQUIRED, "if-match-required", "If-Match is missing")
            }
            Self::Stale { .. } | Self::StaleRev => {
                (StatusCode::PRECONDITION_FAILED, "changed-meanwhile", "The event was changed meanwhile")
            }
            Self::NotNow { .. } => (StatusCode::CONFLICT, "not-now", "The event's state does not allow this"),
            Self::CapacityTooSmall { .. } => {
                (StatusCode::CONFLICT, "capacity-too-small", "More seats are sold or held")
            }
            Self::Exists { .. } => (StatusCode::CONFLICT, "event-exists", "An event with this id exists"),
            Self::UnknownChange => (StatusCode::NOT_FOUND, "unknown-change", "This change does not exist"),
            Self::NotUndoable => (StatusCode::CONFLICT, "not-undoable", "This change cannot be undone"),
            Self::UndoTooLate => (StatusCode::GONE, "too-late", "The time to undo this change is over"),
            Self::TooManyStreams => {
                (StatusCode::SERVICE_UNAVAILABLE, "too-many-streams", "Too many live streams are open")
            }
            Self::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "temporarily-unavailable", "The ledger does not respond")
            }
            Self::Internal => {
                (StatusCode::INTERNAL_SERVER_ERROR, "unexpected", "Internal error; see the log")
            }
        }
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        self.kind().0
    }

    /// The stable code.
    pub(crate) fn code(&self) -> &'static str {
        self.kind().1
    }

    /// Title and detail in one line.
    pub(crate) fn text(&self) -> String {
        let (title, detail) = (self.kind().2, self.detail());
        if detail.is_empty() { title.to_owned() } else { format!("{title}: {detail}") }
    }

    fn detail(&self) -> String {
        match self {
            Self::Unauthenticated => "Send it as: Authorization: Bearer TOKEN".into(),
            Self::Malformed(why) | Self::NotNow { why, .. } => why.clone(),
            Self::WrongHost => "Add the host name to operator.hosts, or use one that is listed there.".into(),
            Self::IfMatchRequired => {
                "Send If-Match with the ETag that you read, or * to change the event at any rev.".into()
            }
            Self::CapacityTooSmall { least } => {
                format!("{least} seats are sold or held, so the capacity cannot be lower.")
            }
            Self::Invalid(fields) => {
                fields.iter().map(|f| format!("{}: {}", f.pointer, f.detail)).collect::<Vec<_>>().join("; ")
            }
            Self::WebhooksOff => {
                "Set messaging.webhook.key to 64 hexadecimal digits, for the operator API and the worker.".into()
            }
            Self::NothingToReplay => {
                "This event has no such target, or the target has not got as far as from_seq, or the domain events are deleted.".into()
            }
            Self::Unavailable => {
                "The change may or may not have been made: read the event before you retry, or send If-Match."
                    .into()
            }
            _ => String::new(),
        }
    }

    fn problem(&self) -> Problem {
        let (status, code, title) = self.kind();
        let problem = Problem::new(status, code, title).detail(self.detail());
        match self {
            Self::TooManyTries { retry_s } => problem.retry_after(*retry_s),
            Self::NotAllowed => problem.with("required_role", "operator"),
            Self::Invalid(fields) => problem.with("errors", json!(fields)),
            Self::Stale { rev, event } => problem.with("current", *rev).with("event", event.clone()),
            Self::NotNow { state, .. } => problem.with("state", state.as_str()),
            Self::CapacityTooSmall { least } => problem.with("least", *least),
            Self::Exists { rev } => problem.with("current", *rev),
            _ => problem,
        }
    }
}

/// Marks a response that needs a jittered `Retry-After` of this many seconds, which the outermost layer adds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryAfterBase(pub(crate) u32);

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = self.problem().into_response();
        match self {
            Self::Unauthenticated => {
                let scheme = HeaderValue::from_static("Bearer realm=\"firstcome\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
            }
            Self::Unavailable | Self::TooManyStreams => {
                _ = response.extensions_mut().insert(RetryAfterBase(2));
            }
            _ => {}
        }
        response
    }
}
