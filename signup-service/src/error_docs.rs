//! OpenAPI descriptions of the error responses, by group of routes. The errors themselves are in `error.rs`.

use std::collections::BTreeMap;

use service::openapi::problems;
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response};

type Responses = BTreeMap<String, RefOr<Response>>;

/// Errors of every route.
pub(crate) struct CommonErrors;

impl IntoResponses for CommonErrors {
    fn responses() -> Responses {
        problems(&[(503, "`temporarily-unavailable`: try again after `Retry-After`")])
    }
}

/// Errors of routes about an event.
pub(crate) struct EventErrors;

impl IntoResponses for EventErrors {
    fn responses() -> Responses {
        extended(CommonErrors::responses(), &[(404, "`unknown-event`")])
    }
}

/// Errors of routes with a receipt.
pub(crate) struct ReceiptErrors;

impl IntoResponses for ReceiptErrors {
    fn responses() -> Responses {
        extended(
            Responses::new(),
            &[
                (403, "`view-only`: this requires the full receipt; `cross-site`"),
                (404, "`not-found`: this system did not issue the receipt; `unknown-event`"),
                (503, "`place-safe`: the application cannot be looked up now; it keeps its place"),
            ],
        )
    }
}

/// Errors of the requests of a called applicant.
pub(crate) struct CalledErrors;

impl IntoResponses for CalledErrors {
    fn responses() -> Responses {
        extended(
            ReceiptErrors::responses(),
            &[
                (
                    409,
                    "`not-called`: the applicant is not called; `no-extension`: the event allows no more time",
                ),
                (410, "`time-over`: the time of the applicant is over"),
            ],
        )
    }
}

/// Errors of the shop's reports.
pub(crate) struct ReportErrors;

impl IntoResponses for ReportErrors {
    fn responses() -> Responses {
        extended(
            CommonErrors::responses(),
            &[
                (401, "`unauthorized`: the token is missing or wrong"),
                (404, "`unknown-application`: no application has this number and GUID; `unknown-event`"),
                (409, "`not-called`: the event is of another kind"),
                (422, "`validation`, with every invalid field in `errors`"),
            ],
        )
    }
}

/// Errors of applying.
pub(crate) struct ApplyErrors;

impl IntoResponses for ApplyErrors {
    fn responses() -> Responses {
        extended(
            EventErrors::responses(),
            &[
                (400, "`malformed`, `idempotency-key-invalid`"),
                (
                    401,
                    "`sign-in-required`: the event is for members of the shop; `reason` is `missing`, `expired` or `invalid`",
                ),
                (403, "`cross-site`"),
                (409, "`event-not-open`, with `opens_at` and `Retry-After`; `queue-full`"),
                (410, "`event-closed`, for good"),
                (422, "`validation`, with every invalid field in `errors`"),
                (429, "`too-many-tries`: too many repeats without the key of the first application"),
                (
                    503,
                    "`temporarily-unavailable`, `intake-on-hold`: not registered, try again after `Retry-After`; \
                     `outcome-unknown`: perhaps registered, try again with the same key",
                ),
            ],
        )
    }
}

/// Errors of finding an application by its recovery code.
pub(crate) struct FindErrors;

impl IntoResponses for FindErrors {
    fn responses() -> Responses {
        extended(
            CommonErrors::responses(),
            &[
                (403, "`cross-site`"),
                (404, "`no-match`: phone or code is wrong, and which one stays secret; `unknown-event`"),
                (422, "`validation`, with every invalid field in `errors`"),
                (429, "`too-many-tries`"),
            ],
        )
    }
}

fn extended(mut all: Responses, more: &[(u16, &str)]) -> Responses {
    all.extend(problems(more));
    all
}
