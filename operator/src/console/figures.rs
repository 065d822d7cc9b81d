//! The figures of an event as the page shows them. The script writes the same ones, from the same source, each second.

use domain::Millis;

use super::format::{duration, latency, number, rate};
use super::messages::{Messages, fill};
use crate::response::LiveResponse;
use crate::timestamp;

/// The figures as text.
pub(super) struct Figures {
    pub(super) applied_per_s: String,
    pub(super) applied: String,
    pub(super) waiting: String,
    pub(super) remaining: String,
    pub(super) oldest: String,
    pub(super) queue: String,
    pub(super) calls_per_s: String,
    pub(super) pace: String,
    pub(super) in_flight: String,
    pub(super) in_flight_max: String,
    pub(super) p50: String,
    pub(super) p95: String,
    pub(super) p99: String,
    pub(super) ordered: String,
    pub(super) rejected: String,
    pub(super) unclear: String,
    pub(super) sold: String,
    pub(super) held: String,
    pub(super) free: String,
    pub(super) parked: String,
    pub(super) capacity: String,
    pub(super) sold_permille: u64,
}

impl Figures {
    pub(super) fn new(t: &Messages, live: &LiveResponse, now: Millis) -> Self {
        let (event, recent) = (&live.event, &live.recent);
        let queue = event.queue.as_ref();
        let unknown = || t.unknown.to_owned();
        let latency_of = |ms: Option<u32>| ms.map_or_else(unknown, latency);
        let oldest_ms = queue.and_then(|queue| queue.oldest_wait_ms);
        let applied = queue.map(|queue| queue.seq.saturating_sub(queue.skipped_numbers));
        let report = queue.map(|queue| {
            let ago = timestamp::parse(&queue.at).map_or(0, |at| (now - at).max(0) / 1000);
            let report = if ago == 0 { t.queue_ok_now } else { t.queue_ok };
            fill(report, &[("n", &queue.epoch.to_string()), ("t", &ago.to_string())])
        });
        Self {
            applied_per_s: recent.applied_per_s.map_or_else(unknown, rate),
            applied: applied.map_or_else(unknown, |n| fill(t.total, &[("n", &number(n))])),
            waiting: queue.map_or_else(unknown, |queue| number(queue.waiting)),
            remaining: live.remaining_s.map_or_else(unknown, |s| duration(t, s)),
            oldest: oldest_ms.map_or_else(unknown, |ms| duration(t, ms.unsigned_abs() / 1000)),
            queue: report.unwrap_or_else(unknown),
            calls_per_s: rate(recent.calls_per_s),
            pace: event.pace.clone(),
            in_flight: number(event.under_way.ordering),
            in_flight_max: number(event.in_flight_max),
            p50: latency_of(recent.calls.p50_ms),
            p95: latency_of(recent.calls.p95_ms),
            p99: latency_of(recent.calls.p99_ms),
            ordered: number(recent.calls.ordered),
            rejected: number(recent.calls.rejected),
            unclear: number(recent.calls.unclear),
            sold: number(event.seats.sold),
            held: number(event.seats.held),
            free: number(event.seats.free),
            parked: number(event.under_way.parked),
            capacity: number(event.capacity),
            sold_permille: u64::from(event.seats.sold) * 1000 / u64::from(event.capacity.max(1)),
        }
    }
}
