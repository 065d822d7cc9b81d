//! The metrics of requests and connections. Labels are methods, route templates and statuses, never text from a client.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::http::{Method, StatusCode};
use metrics::{Gauge, Histogram};
use parking_lot::RwLock;

/// The name of a route in metrics and logs, in place of the matched path. A handler that serves many routes puts it into the
/// response's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteName(pub &'static str);

/// Holds the path that the router matched, until the response is there.
#[derive(Debug, Clone, Default)]
pub(super) struct RouteSlot(Arc<OnceLock<MatchedPath>>);

impl RouteSlot {
    pub(super) fn path(&self) -> Option<MatchedPath> {
        self.0.get().cloned()
    }
}

/// Stores the matched path in the request's slot. Runs inside the router, where the route is known.
pub(super) fn record_route(request: Request) -> Request {
    let extensions = request.extensions();
    if let (Some(slot), Some(path)) = (extensions.get::<RouteSlot>(), extensions.get::<MatchedPath>()) {
        let _ = slot.0.set(path.clone());
    }
    request
}

/// Keeps a gauge one higher while it exists; also if the client has disconnected.
pub(super) struct GaugeGuard(Gauge);

impl GaugeGuard {
    fn new(gauge: &Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge.clone())
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// FNV-1a: fast for short keys. All keys are the program's own, so that no client can provoke collisions.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

type FnvMap<K, V> = HashMap<K, V, BuildHasherDefault<Fnv>>;
type ByRoute = FnvMap<Box<str>, Histogram>;

/// The metrics of a listener. It keeps the handles: a look-up in the recorder costs more than a small response.
pub(super) struct HttpMetrics {
    active_requests: Gauge,
    open_connections: Gauge,
    durations: RwLock<FnvMap<(&'static str, StatusCode), ByRoute>>,
}

impl HttpMetrics {
    pub(super) fn new() -> Self {
        metrics::describe_histogram!(
            "firstcome_http_request_duration_seconds",
            "Time from the headers of the request to the headers of the response."
        );
        metrics::describe_gauge!(
            "firstcome_http_active_requests",
            "Requests whose response is not sent completely."
        );
        metrics::describe_gauge!("firstcome_http_open_connections", "Open connections.");
        Self {
            active_requests: metrics::gauge!("firstcome_http_active_requests"),
            open_connections: metrics::gauge!("firstcome_http_open_connections"),
            durations: RwLock::default(),
        }
    }

    pub(super) fn count_connection(&self) -> GaugeGuard {
        GaugeGuard::new(&self.open_connections)
    }

    pub(super) fn count_request(&self) -> GaugeGuard {
        GaugeGuard::new(&self.active_requests)
    }

    pub(super) fn record(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let key = (method_label(method), status);
        let durations = self.durations.read();
        if let Some(duration) = durations.get(&key).and_then(|routes| routes.get(route)) {
            return duration.record(took);
        }
        drop(durations);
        let duration = metrics::histogram!(
            "firstcome_http_request_duration_seconds",
            "http_request_method" => key.0,
            "http_route" => route.to_owned(),
            "http_response_status_code" => status.as_str().to_owned(),
        );
        duration.record(took);
        self.durations.write().entry(key).or_default().insert(route.into(), duration);
    }
}

/// The label of a method. A client can send any method, so only the known ones become labels.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "_OTHER",
    }
}
