//! What is counted of every request. Labels are methods, route templates and statuses, never what a client typed.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::http::{Method, StatusCode};
use metrics::{Gauge, Histogram};
use parking_lot::RwLock;

/// Put into an answer's extensions, it names the route in metrics and logs in place of the matched path: for handlers
/// that serve many routes, as a proxy does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteName(pub &'static str);

/// Where the router notes which route matched; read when the answer is there.
#[derive(Debug, Clone, Default)]
pub(super) struct Slot(Arc<OnceLock<MatchedPath>>);

impl Slot {
    pub(super) fn path(&self) -> Option<MatchedPath> {
        self.0.get().cloned()
    }
}

/// Runs inside the router, where the route is known.
pub(super) fn note_route(request: Request) -> Request {
    let extensions = request.extensions();
    if let (Some(slot), Some(path)) = (extensions.get::<Slot>(), extensions.get::<MatchedPath>()) {
        let _ = slot.0.set(path.clone());
    }
    request
}

/// A request or connection under way; counted down when dropped, also if the client went away.
pub(super) struct Active(Gauge);

impl Drop for Active {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// FNV-1a. The keys are ours, so that nobody can make them collide, and short.
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

type ByKey<K, V> = HashMap<K, V, BuildHasherDefault<Fnv>>;
type ByRoute = ByKey<Box<str>, Histogram>;

/// The handles are kept: looking one up at the recorder costs more than a small answer.
pub(super) struct Meter {
    active: Gauge,
    open: Gauge,
    durations: RwLock<ByKey<(&'static str, StatusCode), ByRoute>>,
}

impl Meter {
    pub(super) fn new() -> Self {
        metrics::describe_histogram!(
            "firstcome_http_request_duration_seconds",
            "From the request's headers to the answer's."
        );
        metrics::describe_gauge!(
            "firstcome_http_active_requests",
            "Requests whose answer is not through yet."
        );
        metrics::describe_gauge!("firstcome_http_open_connections", "Connections that hold a place.");
        let active = metrics::gauge!("firstcome_http_active_requests");
        let open = metrics::gauge!("firstcome_http_open_connections");
        Self { active, open, durations: RwLock::default() }
    }

    pub(super) fn open(&self) -> Active {
        self.open.increment(1.0);
        Active(self.open.clone())
    }

    pub(super) fn begin(&self) -> Active {
        self.active.increment(1.0);
        Active(self.active.clone())
    }

    pub(super) fn record(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let key = (method_name(method), status);
        let known = self.durations.read();
        if let Some(duration) = known.get(&key).and_then(|routes| routes.get(route)) {
            return duration.record(took);
        }
        drop(known);
        let duration = metrics::histogram!(
            "firstcome_http_request_duration_seconds",
            "http_request_method" => key.0,
            "http_route" => route.to_owned(),
            "http_response_status_code" => status.as_str().to_owned(),
        );
        duration.record(took);
        let mut known = self.durations.write();
        known.entry(key).or_default().insert(route.into(), duration);
    }
}

/// A method is what the client typed; only the known ones may become a label.
fn method_name(method: &Method) -> &'static str {
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
