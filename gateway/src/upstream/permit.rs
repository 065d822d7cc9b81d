//! What a request holds: a permit of the service until its response has been read, and its count for the client until the response has
//! been sent.

use super::concurrency::ConcurrencyPermit;
use crate::limit::InFlightGuard;

/// One request's share of the service's and of the client's concurrency, until they are dropped.
pub(crate) struct Permit {
    pub(super) concurrency: ConcurrencyPermit,
    pub(super) in_flight: InFlightGuard,
}

impl Permit {
    pub(crate) fn new(concurrency: ConcurrencyPermit, in_flight: InFlightGuard) -> Self {
        Self { concurrency, in_flight }
    }
}
