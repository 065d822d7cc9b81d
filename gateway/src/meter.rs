//! The gateway's metrics. All handles are created at the start: looking one up costs more than forwarding a small request.

use std::time::Duration;

use axum::http::StatusCode;
use metrics::{Counter, Gauge, Histogram};

use crate::error::RefusalReason;

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The counters of one route.
pub(crate) struct RouteMeter {
    classes: [Counter; 5],
    refused: [Counter; RefusalReason::ALL.len()],
}

impl RouteMeter {
    pub(crate) fn new(route: &'static str) -> Self {
        metrics::describe_counter!(
            "firstcome_gateway_requests_total",
            "Responses by route and class, the gateway's own included."
        );
        metrics::describe_counter!(
            "firstcome_gateway_refused_total",
            "Requests that the gateway did not forward, by reason."
        );
        Self {
            classes: CLASSES.map(|class| metrics::counter!("firstcome_gateway_requests_total", "route" => route, "class" => class)),
            refused: RefusalReason::ALL.map(
                |reason| metrics::counter!("firstcome_gateway_refused_total", "route" => route, "reason" => reason.kind().1),
            ),
        }
    }

    pub(crate) fn responded(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(1, 5) - 1;
        self.classes[class].increment(1);
    }

    pub(crate) fn refused(&self, reason: RefusalReason) {
        self.refused[reason as usize].increment(1);
    }
}

/// The metrics of one upstream.
pub(crate) struct UpstreamMeter {
    latency: Histogram,
    in_flight: Gauge,
    connections: Gauge,
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
        let upstream = upstream.to_owned();
        Self {
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

    /// The gauge of open connections.
    pub(crate) fn connections(&self) -> Gauge {
        self.connections.clone()
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

/// The gauge of clients that a limit keeps a bucket for.
pub(crate) fn keys(limit: &str) -> Gauge {
    metrics::describe_gauge!("firstcome_gateway_client_keys", "Clients that a limit keeps a bucket for.");
    metrics::gauge!("firstcome_gateway_client_keys", "limit" => limit.to_owned())
}
