//! Which refusals each kind of route may answer with, for the API's description. How they read is in `refusal.rs`.

use std::collections::BTreeMap;

use service::openapi::problems;
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response};

type Responses = BTreeMap<String, RefOr<Response>>;

/// Of every route.
pub(crate) struct OfAnyRequest;

impl IntoResponses for OfAnyRequest {
    fn responses() -> Responses {
        problems(&[(503, "`temporarily-unavailable`: come again after `Retry-After`")])
    }
}

/// Of a route about an event.
pub(crate) struct OfEvent;

impl IntoResponses for OfEvent {
    fn responses() -> Responses {
        with(OfAnyRequest::responses(), &[(404, "`unknown-event`")])
    }
}

/// Of a route about one's own application.
pub(crate) struct OfReceipt;

impl IntoResponses for OfReceipt {
    fn responses() -> Responses {
        with(
            Responses::new(),
            &[
                (403, "`view-only`: this needs the full receipt; `cross-site`"),
                (404, "`not-found`: no receipt of this system; `unknown-event`"),
                (503, "`place-safe`: it cannot be looked up now, and is kept"),
            ],
        )
    }
}

/// Of applying.
pub(crate) struct Applying;

impl IntoResponses for Applying {
    fn responses() -> Responses {
        with(
            OfEvent::responses(),
            &[
                (400, "`malformed`, `idempotency-key-invalid`"),
                (403, "`cross-site`"),
                (409, "`event-not-open`, with `opens_at` and `Retry-After`; `queue-full`"),
                (410, "`event-closed`, for good"),
                (422, "`validation`, with every wrong field in `errors`"),
                (429, "`too-many-tries`: repeats without the key of the first application"),
                (
                    503,
                    "`temporarily-unavailable`, `intake-on-hold`: not registered, press again after `Retry-After`; \
                     `outcome-unknown`: perhaps registered, press again with the same key",
                ),
            ],
        )
    }
}

/// Of finding one's application.
pub(crate) struct Finding;

impl IntoResponses for Finding {
    fn responses() -> Responses {
        with(
            OfAnyRequest::responses(),
            &[
                (403, "`cross-site`"),
                (404, "`no-match`: which of phone and code is wrong is not told; `unknown-event`"),
                (422, "`validation`, with every wrong field in `errors`"),
                (429, "`too-many-tries`"),
            ],
        )
    }
}

fn with(mut all: Responses, more: &[(u16, &str)]) -> Responses {
    all.extend(problems(more));
    all
}
