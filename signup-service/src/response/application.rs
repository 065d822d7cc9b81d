//! The status of an application.

use domain::{Millis, Number};
use serde::Serialize;
use utoipa::ToSchema;

use crate::application::{ApplicationView, PublicState};
use crate::documents::PollIntervals;
use crate::state::SignupState;

/// The status of an application.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ApplicationStatus<'a> {
    event: &'a str,
    /// The number in the queue. It never changes.
    #[schema(value_type = u32)]
    number: Number,
    /// `state`, `standing` and `ahead` come with the full receipt only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        nullable = false,
        pattern = "^(waiting|withdrawn|called|ordering|ordered|rejected|cancelled|expired|sold_out)$"
    )]
    state: Option<&'static str>,
    /// When the time of a called applicant ends, by the queue's clock, as `server_time_ms`. Only in state `called`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    called_until_ms: Option<Millis>,
    /// By how much that time may still be extended; 0 if it was extended, or if the event allows none. Only in state `called`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    extension_ms: Option<Millis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    order_no: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^(in_range|waitlisted)$")]
    standing: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    waitlist_number: Option<u32>,
    /// How many applications are ahead now. It only falls.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    ahead: Option<u32>,
    #[schema(pattern = "^(full|view)$")]
    right: &'static str,
    poll: PollIntervals,
    server_time_ms: Millis,
}

impl<'a> ApplicationStatus<'a> {
    /// The status of an application now.
    pub(crate) fn of(application: &'a ApplicationView, signup: &SignupState) -> Self {
        let documents = &application.documents;
        let number = application.receipt.number;
        let state = application.state;
        let position = documents.position(number);
        let waitlist_number = position.waitlisted(documents.snapshot.settings.capacity);
        let extension_ms = documents.snapshot.settings.extension_ms;
        let window = match state {
            Some(PublicState::Called(window)) => Some(window),
            _ => None,
        };
        let standing = if waitlist_number.is_some() { "waitlisted" } else { "in_range" };
        Self {
            event: application.receipt.event.as_str(),
            number,
            state: state.map(PublicState::as_str),
            called_until_ms: window.map(|window| window.until),
            extension_ms: window.map(|window| if window.extended { 0 } else { extension_ms }),
            order_no: application.order_no.as_deref(),
            standing: state.map(|_| standing),
            waitlist_number: waitlist_number.filter(|_| state.is_some()),
            ahead: state.map(|state| if state == PublicState::Waiting { position.ahead } else { 0 }),
            right: if application.is_full() { "full" } else { "view" },
            poll: documents.poll(&signup.config),
            server_time_ms: documents.queue_time(signup.now()),
        }
    }
}
