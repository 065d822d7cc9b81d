//! What a request holds until its response has been sent.

use super::concurrency::ConcurrencyPermit;
use crate::limit::InFlightGuard;

/// One request's share of the client's and of the service's concurrency, until it is dropped.
pub(crate) struct Permit {
    pub(super) _concurrency: ConcurrencyPermit,
    pub(super) _in_flight: InFlightGuard,
}
