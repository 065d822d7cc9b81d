//! OpenAPI descriptions of the error responses, by group of routes.

use std::collections::BTreeMap;

use service::openapi::problems;
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response};

type ResponsesByStatus = BTreeMap<String, RefOr<Response>>;

/// Errors of every route.
pub(crate) struct AnyRoute;

impl IntoResponses for AnyRoute {
    fn responses() -> ResponsesByStatus {
        problems(&[
            (401, "The token is missing or unknown: `unauthenticated`"),
            (405, "Another method: `method-not-allowed`, with `Allow`"),
            (421, "The `Host` header names another server: `wrong-host`"),
            (429, "Too many wrong tokens: `too-many-tries`"),
            (503, "The ledger does not respond: `temporarily-unavailable`"),
        ])
    }
}

/// Errors of routes about one event.
pub(crate) struct EventRoute;

impl IntoResponses for EventRoute {
    fn responses() -> ResponsesByStatus {
        let mut all = AnyRoute::responses();
        all.extend(problems(&[(404, "`unknown-event`")]));
        all
    }
}

/// Errors of routes that create an event.
pub(crate) struct CreateRoute;

impl IntoResponses for CreateRoute {
    fn responses() -> ResponsesByStatus {
        let mut all = AnyRoute::responses();
        all.extend(problems(&[
            (403, "`not-allowed` with `required_role`, or `cross-site`"),
            (409, "`event-exists`"),
            (422, "`validation`, with `errors`: pointer, code and detail of each"),
        ]));
        all
    }
}

/// Errors of routes about one webhook endpoint.
pub(crate) struct EndpointRoute;

impl IntoResponses for EndpointRoute {
    fn responses() -> ResponsesByStatus {
        let mut all = AnyRoute::responses();
        all.extend(problems(&[(404, "`unknown-endpoint`")]));
        all
    }
}

/// Errors of changes of webhook endpoints.
pub(crate) struct EndpointChangeRoute;

impl IntoResponses for EndpointChangeRoute {
    fn responses() -> ResponsesByStatus {
        let mut all = EndpointRoute::responses();
        all.extend(CreateRoute::responses());
        all.extend(problems(&[(409, "`endpoint-exists`, or `webhooks-off`")]));
        all
    }
}

/// Errors of changes where `If-Match` is optional.
pub(crate) struct ChangeRoute;

impl IntoResponses for ChangeRoute {
    fn responses() -> ResponsesByStatus {
        let mut all = EventRoute::responses();
        all.extend(CreateRoute::responses());
        all.extend(problems(&[
            (409, "`not-now` with `state`, or `capacity-too-small` with `least`"),
            (412, "`changed-meanwhile` with `current` and `event`"),
        ]));
        all
    }
}

/// Errors of finding an application.
pub(crate) struct FindRoute;

impl IntoResponses for FindRoute {
    fn responses() -> ResponsesByStatus {
        let mut all = AnyRoute::responses();
        all.extend(problems(&[
            (403, "`cross-site`"),
            (404, "`unknown-event`, or `no-application`"),
            (422, "`validation`, with `errors`: pointer, code and detail of each"),
        ]));
        all
    }
}

/// Errors of changes where `If-Match` is required.
pub(crate) struct SettingRoute;

impl IntoResponses for SettingRoute {
    fn responses() -> ResponsesByStatus {
        let mut all = ChangeRoute::responses();
        all.extend(problems(&[(428, "`if-match-required`")]));
        all
    }
}

/// Errors of undoing a change.
pub(crate) struct UndoRoute;

impl IntoResponses for UndoRoute {
    fn responses() -> ResponsesByStatus {
        let mut all = ChangeRoute::responses();
        all.extend(problems(&[
            (404, "`unknown-event`, or `unknown-change`"),
            (409, "`not-undoable`; `not-now` with `state`, or `capacity-too-small` with `least`"),
            (410, "`too-late`: after five minutes"),
        ]));
        all
    }
}
