//! Metrics of an event's applications and passes, and of what the pages promise.

use domain::EventId;
use metrics::{Counter, Histogram};

/// Counters of accepted applications. They are kept with the event: looking one up takes as long as signing a receipt.
#[derive(Clone)]
pub(crate) struct ApplicationCounters {
    /// First applications.
    pub(crate) accepted: Counter,
    /// Repeated applications.
    pub(crate) again: Counter,
    /// How far waits were outside the promised range, as a share of the wait.
    pub(crate) eta_error: Histogram,
    /// Issued passes.
    pub(crate) passes: Counter,
}

impl ApplicationCounters {
    /// The counters of this event.
    pub(crate) fn of(event: &EventId) -> Self {
        let counter = |result| Self::counter(event.to_string(), result);
        let eta_error = metrics::histogram!("firstcome_eta_error_ratio", "event" => event.to_string());
        let passes = metrics::counter!("firstcome_passes_issued_total", "event" => event.to_string());
        Self { accepted: counter("accepted"), again: counter("again"), eta_error, passes }
    }

    /// The counter of this event and result.
    pub(crate) fn counter(event: String, result: &'static str) -> Counter {
        metrics::counter!("firstcome_applications_total", "event" => event, "result" => result)
    }
}

impl std::fmt::Debug for ApplicationCounters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApplicationCounters")
    }
}
