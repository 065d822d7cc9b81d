//! One address of a service: its health, its idle connections, and how many requests it has at the moment.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::uri::Authority;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::connection::UpstreamConnection;
use super::health::{AddressHealth, Backoffs, WEIGHT_MAX};
use crate::meter::AddressMeter;

/// How long an address is away: at first, and at most. It doubles with every failed probe.
const BACKOFFS: Backoffs = Backoffs {
    unreachable: Duration::from_secs(1)..=Duration::from_secs(10),
    unresponsive: Duration::from_secs(1)..=Duration::from_mins(1),
};

/// An idle connection.
struct IdleConnection {
    connection: Box<UpstreamConnection>,
    since: Instant,
}

/// One address of a service.
pub(super) struct Address {
    /// Host and port; the name is resolved for each connection, because a service may move.
    pub(super) text: String,
    pub(super) health: AddressHealth,
    pub(super) meter: AddressMeter,
    in_flight: AtomicUsize,
    /// Responses that have arrived.
    responses: AtomicU64,
    /// Ordered by idle time, the longest first.
    idle: Mutex<Vec<IdleConnection>>,
}

impl Address {
    pub(super) fn new(authority: &Authority, upstream: &str) -> Self {
        let text = format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80));
        Self {
            meter: AddressMeter::new(upstream, &text),
            text,
            health: AddressHealth::new(BACKOFFS),
            in_flight: AtomicUsize::new(0),
            responses: AtomicU64::new(0),
            idle: Mutex::default(),
        }
    }

    pub(super) fn begin_request(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end_request(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn count_response(&self) {
        self.responses.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn responses(&self) -> u64 {
        self.responses.load(Ordering::Relaxed)
    }

    /// How busy the address would be with one more request, in relation to its weight. `None` while it is away.
    pub(super) fn load(&self, now: Instant) -> Option<usize> {
        let weight = self.health.weight(now);
        (weight > 0).then(|| (self.in_flight() + 1) * WEIGHT_MAX / weight)
    }

    /// Takes the connection that became idle last: the service is the least likely to have closed it.
    pub(super) fn take_idle(&self, now: Instant, idle_timeout: Duration) -> Option<Box<UpstreamConnection>> {
        let last = self.idle.lock().pop()?;
        if now.duration_since(last.since) < idle_timeout {
            return Some(last.connection);
        }
        // The others have been idle for even longer.
        self.close_idle(now, idle_timeout);
        None
    }

    /// Whether there is an idle connection.
    pub(super) fn has_idle(&self) -> bool {
        !self.idle.lock().is_empty()
    }

    /// Keeps a free connection.
    pub(super) fn put(&self, connection: Box<UpstreamConnection>, now: Instant) {
        connection.idle();
        self.idle.lock().push(IdleConnection { connection, since: now });
    }

    /// Closes connections past the idle timeout.
    pub(super) fn close_idle(&self, now: Instant, idle_timeout: Duration) {
        let mut idle = self.idle.lock();
        let expired = idle.partition_point(|idle| now.duration_since(idle.since) >= idle_timeout);
        let closing: Vec<IdleConnection> = idle.drain(..expired).collect();
        // Closing takes a while, and must not hold the lock.
        drop(idle);
        drop(closing);
    }
}
