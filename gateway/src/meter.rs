//! The gateway's metrics. All handles are created at the start: looking one up costs more than forwarding a small request.

use std::time::Duration;

use axum::http::StatusCode;
use metrics::{Counter, Gauge, Histogram};

use crate::class::RequestClass;
use crate::error::RefusalReason;

const STATUS_CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The counters of one route.
pub(crate) struct RouteMeter {
    responses: [Counter; 5],
    refused: [Counter; RefusalReason::ALL.len()],
}

impl RouteMeter {
    pub(crate) fn new(route: &'static str) -> Self {
        metrics::describe_counter!(
            "firstcome_gateway_requests_total",
            "Responses by route and class of status, the gateway's own included."
        );
        metrics::describe_counter!(
            "firstcome_gateway_refused_total",
            "Requests that the gateway did not forward, by reason."
        );
        Self {
            responses: STATUS_CLASSES.map(
                |status| metrics::counter!("firstcome_gateway_requests_total", "route" => route, "status" => status),
            ),
            refused: RefusalReason::ALL.map(
                |reason| metrics::counter!("firstcome_gateway_refused_total", "route" => route, "reason" => reason.kind().1),
            ),
        }
    }

    pub(crate) fn responded(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(1, 5) - 1;
        self.responses[class].increment(1);
    }

    pub(crate) fn refused(&self, reason: RefusalReason) {
        self.refused[reason as usize].increment(1);
    }
}

/// Counts passes whose signature was wrong.
pub(crate) fn forged_passes() -> Counter {
    metrics::describe_counter!(
        "firstcome_gateway_forged_passes_total",
        "Passes whose signature was wrong; each costs its client further requests of its rate."
    );
    metrics::counter!("firstcome_gateway_forged_passes_total")
}

/// The metrics of one upstream.
pub(crate) struct UpstreamMeter {
    latency: Histogram,
    in_flight: Gauge,
    connections: Gauge,
    queue: QueueMeter,
}

/// The metrics of the queues of one upstream, by class.
#[derive(Clone)]
pub(crate) struct QueueMeter {
    lengths: [Gauge; RequestClass::ALL.len()],
    waits: [Histogram; RequestClass::ALL.len()],
    refused: [Counter; RequestClass::ALL.len()],
}

impl QueueMeter {
    pub(crate) fn new(upstream: &str) -> Self {
        metrics::describe_gauge!(
            "firstcome_gateway_queue_length",
            "Requests that wait for an upstream at its limit, by class."
        );
        metrics::describe_histogram!(
            "firstcome_gateway_queue_wait_seconds",
            "How long requests waited that were then forwarded, by class."
        );
        metrics::describe_counter!(
            "firstcome_gateway_queue_refused_total",
            "Requests that found an upstream at its limit and could not wait, or waited too long, by class."
        );
        Self {
            lengths: RequestClass::ALL.map(|class| metrics::gauge!("firstcome_gateway_queue_length", "upstream" => upstream.to_owned(), "class" => class.name())),
            waits: RequestClass::ALL.map(|class| metrics::histogram!("firstcome_gateway_queue_wait_seconds", "upstream" => upstream.to_owned(), "class" => class.name())),
            refused: RequestClass::ALL.map(|class| metrics::counter!("firstcome_gateway_queue_refused_total", "upstream" => upstream.to_owned(), "class" => class.name())),
        }
    }

    pub(crate) fn set_length(&self, class: RequestClass, len: usize) {
        self.lengths[class as usize].set(f64::from(u32::try_from(len).unwrap_or(u32::MAX)));
    }

    pub(crate) fn set_lengths(&self, len: impl Fn(RequestClass) -> usize) {
        for class in RequestClass::ALL {
            self.set_length(class, len(class));
        }
    }

    pub(crate) fn waited(&self, class: RequestClass, took: Duration) {
        self.waits[class as usize].record(took);
    }

    pub(crate) fn refused(&self, class: RequestClass) {
        self.refused[class as usize].increment(1);
    }
}

impl UpstreamMeter {
    pub(crate) fn new(upstream: &str) -> Self {
        metrics::describe_histogram!(
            "firstcome_gateway_upstream_duration_seconds",
            "From the request to the response headers."
        );
        metrics::describe_gauge!(
            "firstcome_gateway_upstream_in_flight",
            "Requests whose response is not complete yet."
        );
        metrics::describe_gauge!(
            "firstcome_gateway_upstream_connections",
            "Open connections, idle ones included."
        );
        let queue = QueueMeter::new(upstream);
        let upstream = upstream.to_owned();
        Self {
            queue,
            latency: metrics::histogram!("firstcome_gateway_upstream_duration_seconds", "upstream" => upstream.clone()),
            in_flight: metrics::gauge!("firstcome_gateway_upstream_in_flight", "upstream" => upstream.clone()),
            connections: metrics::gauge!("firstcome_gateway_upstream_connections", "upstream" => upstream),
        }
    }

    pub(crate) fn responded(&self, took: Duration) {
        self.latency.record(took);
    }

    /// The gauge of requests in flight.
    pub(crate) fn in_flight(&self) -> Gauge {
        self.in_flight.clone()
    }

    /// The metrics of the queues.
    pub(crate) fn queue(&self) -> QueueMeter {
        self.queue.clone()
    }

    /// The gauge of open connections.
    pub(crate) fn connections(&self) -> Gauge {
        self.connections.clone()
    }
}

/// The metrics of one address of an upstream.
pub(crate) struct AddressMeter {
    available: Gauge,
    in_flight: Gauge,
    ejections: Counter,
}

impl AddressMeter {
    pub(crate) fn new(upstream: &str, address: &str) -> Self {
        metrics::describe_gauge!(
            "firstcome_gateway_address_available",
            "Whether an upstream's address is used: 0 while it accepts no connection or does not respond."
        );
        metrics::describe_gauge!(
            "firstcome_gateway_address_in_flight",
            "Requests at an upstream's address, once a second."
        );
        metrics::describe_counter!(
            "firstcome_gateway_address_ejections_total",
            "How often an address was taken out of use because it did not respond."
        );
        let [upstream, address] = [upstream, address].map(str::to_owned);
        let available = metrics::gauge!("firstcome_gateway_address_available", "upstream" => upstream.clone(), "address" => address.clone());
        available.set(1.0);
        Self {
            available,
            in_flight: metrics::gauge!("firstcome_gateway_address_in_flight", "upstream" => upstream.clone(), "address" => address.clone()),
            ejections: metrics::counter!("firstcome_gateway_address_ejections_total", "upstream" => upstream, "address" => address),
        }
    }

    pub(crate) fn set_available(&self, is_available: bool) {
        self.available.set(f64::from(u8::from(is_available)));
    }

    pub(crate) fn set_in_flight(&self, requests: usize) {
        self.in_flight.set(f64::from(u32::try_from(requests).unwrap_or(u32::MAX)));
    }

    pub(crate) fn count_ejection(&self) {
        self.ejections.increment(1);
    }
}

/// Increments a gauge while it exists.
pub(crate) struct Counted(Gauge);

impl Counted {
    pub(crate) fn up(gauge: &Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// The counter of lines that the access log has no room for, or could not write.
pub(crate) fn dropped_lines() -> Counter {
    metrics::describe_counter!(
        "firstcome_gateway_access_log_dropped_total",
        "Lines of the access log that were dropped, because they could not be written, or not as fast as they came."
    );
    metrics::counter!("firstcome_gateway_access_log_dropped_total")
}

/// The counter of clients whose bucket was replaced before it was full.
pub(crate) fn replaced_keys() -> Counter {
    metrics::describe_counter!(
        "firstcome_gateway_client_keys_replaced_total",
        "Clients whose bucket gave way to another client's before it was full: more clients at once than keys_max."
    );
    metrics::counter!("firstcome_gateway_client_keys_replaced_total")
}
