//! What a request holds until its response has been sent.

use super::concurrency::ConcurrencyPermit;
use crate::limit::InFlightGuard;

/// One request's share of the client's and of the service's concurrency, until it is dropped.
pub(crate) struct Permit {
    _concurrency: ConcurrencyPermit,
    _in_flight: InFlightGuard,
}

impl Permit {
    pub(crate) fn new(concurrency: ConcurrencyPermit, in_flight: InFlightGuard) -> Self {
        Self { _concurrency: concurrency, _in_flight: in_flight }
    }
}
