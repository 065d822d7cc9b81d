//! How the handling of a request ended: with a response, or with the reason why it is not forwarded.

use axum::extract::Request;
use axum::http::Method;
use axum::response::Response;
use service::http::Route::Named;
use service::http::{HandlerResponse, ResponseRecord};

use crate::access_log::{AccessEntry, RequestResult};
use crate::error::{AcceptedFormats, EventResponses, RefusalReason};
use crate::limit::RateExceeded;
use crate::route::ProxyRoute;

/// The metrics label of requests that match no route.
pub(crate) const UNROUTED: &str = "unrouted";

/// A response, and how it came about.
pub(crate) struct HandledRequest<'a> {
    pub(crate) response: Response,
    pub(crate) route: Option<&'a ProxyRoute>,
    /// Why it is the gateway's own.
    pub(crate) reason: Option<RefusalReason>,
    pub(crate) as_is: bool,
}

impl HandledRequest<'_> {
    /// The name of the route in metrics and logs.
    fn name(&self) -> &'static str {
        self.route.map_or(UNROUTED, |route| route.name)
    }

    /// The response for the listener, with the entry of its request in the access log.
    pub(crate) fn into_response(self, mut entry: Option<AccessEntry>) -> HandlerResponse {
        if let Some(entry) = &mut entry {
            entry.responded(self.result());
        }
        let record = entry.map(|entry| Box::new(entry) as Box<dyn ResponseRecord>);
        let route = Named(self.name());
        HandlerResponse { response: self.response, route, as_is: self.as_is, record }
    }

    /// What the access log says of it.
    fn result(&self) -> RequestResult {
        RequestResult {
            route: self.name(),
            upstream: self.route.map(|route| route.upstream_name),
            class: self.route.map(|route| route.class.name()),
            reason: self.reason.map(|reason| reason.kind().1),
        }
    }
}

/// Why a request is not forwarded.
pub(crate) enum Stop {
    Refused(RefusalReason),
    /// The client exceeds its rate. Boxed, because it is large.
    TooFast(Box<RateExceeded>),
    /// Its path belongs to an event; the response leads to the event's page.
    ToEvent(RefusalReason, Box<Response>),
}

impl Stop {
    pub(crate) fn too_fast(exceeded: RateExceeded) -> Self {
        Self::TooFast(Box::new(exceeded))
    }

    /// A read of a browser is redirected; without a pass, other reads are refused, since a program does not go on to a page.
    pub(crate) fn to_event(reason: RefusalReason, responses: &EventResponses, request: &Request) -> Self {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        let accepted = AcceptedFormats::of(request);
        let is_redirected = is_read && (reason == RefusalReason::Diverted || accepted.wants_page());
        let response =
            if is_redirected { responses.redirect() } else { responses.refusal(reason, &accepted) };
        Self::ToEvent(reason, Box::new(response))
    }
}

impl From<RefusalReason> for Stop {
    fn from(reason: RefusalReason) -> Self {
        Self::Refused(reason)
    }
}
