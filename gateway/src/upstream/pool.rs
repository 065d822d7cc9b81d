//! Idle connections to one service, and new ones. A connection is opened only when none is idle, so that there are never more than
//! requests at once. New connections go round among the service's addresses.

use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::uri::Authority;
use metrics::Gauge;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::address::{Address, Attempt};
use super::connection::UpstreamConnection;
use crate::config::UpstreamConfig;
use crate::meter::Counted;

/// How long after a refused connection the second and last attempt follows: a restarting service is away for a moment.
const RETRY_AFTER: Duration = Duration::from_millis(20);

/// How long an address that accepted no connection is passed over: at first, and at most. It doubles with every failed probe.
const AWAY: Duration = Duration::from_secs(1);
const AWAY_MAX: Duration = Duration::from_secs(10);

/// An idle connection.
struct IdleConnection {
    connection: Box<UpstreamConnection>,
    since: Instant,
}

/// The connections to one service.
pub(super) struct Pool {
    addresses: Vec<Address>,
    /// The address at which the next attempt begins.
    next_address: AtomicUsize,
    connect_timeout: Duration,
    idle_timeout: Duration,
    /// Ordered by idle time, the longest first.
    idle: Mutex<Vec<IdleConnection>>,
    open: Gauge,
}

impl Pool {
    pub(super) fn new(config: &UpstreamConfig, open: Gauge) -> Self {
        let address = |authority: &Authority| {
            Address::new(
                format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80)),
                AWAY..=AWAY_MAX,
            )
        };
        Self {
            addresses: config.authorities.iter().map(address).collect(),
            next_address: AtomicUsize::new(0),
            connect_timeout: config.connect_timeout,
            idle_timeout: config.idle_timeout,
            idle: Mutex::default(),
            open,
        }
    }

    /// Takes the connection that became idle last: the service is the least likely to have closed it.
    pub(super) fn take(&self, now: Instant) -> Option<Box<UpstreamConnection>> {
        let last = self.idle.lock().pop()?;
        if now.duration_since(last.since) < self.idle_timeout {
            return Some(last.connection);
        }
        // The others have been idle for even longer.
        self.close_idle(now);
        None
    }

    /// Returns a free connection.
    pub(super) fn put(&self, connection: Box<UpstreamConnection>, now: Instant) {
        connection.idle();
        self.idle.lock().push(IdleConnection { connection, since: now });
    }

    /// Closes connections past the idle timeout.
    pub(super) fn close_idle(&self, now: Instant) {
        let mut idle = self.idle.lock();
        let expired = idle.partition_point(|idle| now.duration_since(idle.since) >= self.idle_timeout);
        let closing: Vec<IdleConnection> = idle.drain(..expired).collect();
        // Closing takes a while, and must not hold the lock.
        drop(idle);
        drop(closing);
    }

    /// Connects to the next address that accepts, before `deadline`. Addresses that were away a moment ago come last.
    pub(super) async fn connect(&self, deadline: Instant) -> io::Result<Box<UpstreamConnection>> {
        let first = self.next_address.fetch_add(1, Ordering::Relaxed);
        let mut failed = None;
        let mut tried = vec![false; self.addresses.len()];
        for last_resort in [false, true] {
            for nth in 0..self.addresses.len() {
                let at = (first + nth) % self.addresses.len();
                if tried[at] {
                    continue;
                }
                let Some(attempt) = self.addresses[at].begin(Instant::now(), last_resort) else { continue };
                tried[at] = true;
                match self.attempt(attempt, deadline).await {
                    Ok(connection) => return Ok(connection),
                    Err(error) => failed = Some(error),
                }
            }
        }
        Err(failed.unwrap_or_else(|| ErrorKind::TimedOut.into()))
    }

    async fn attempt(&self, attempt: Attempt<'_>, deadline: Instant) -> io::Result<Box<UpstreamConnection>> {
        let limit = deadline.min(Instant::now() + self.connect_timeout);
        let result = tokio::time::timeout_at(limit, self.connect_to(attempt.address())).await;
        let result = result.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
        match &result {
            Ok(_) => attempt.succeeded(),
            // The time is taken after the attempt, which can last as long as an address is passed over.
            Err(error) => attempt.failed(Instant::now(), error.kind() == ErrorKind::TimedOut),
        }
        result
    }

    async fn connect_to(&self, address: &str) -> io::Result<Box<UpstreamConnection>> {
        let stream = match dial(address).await {
            // With several addresses the next one is tried at once; a single one gets a second chance.
            Err(error) if is_refusal(&error) && self.addresses.len() == 1 => {
                tokio::time::sleep(RETRY_AFTER).await;
                dial(address).await?
            }
            dialled => dialled?,
        };
        UpstreamConnection::over(stream, Counted::up(&self.open)).await.map_err(io::Error::other)
    }
}

fn is_refusal(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset)
}

async fn dial(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
