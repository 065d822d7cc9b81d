//! The idle connections to one service, and how one more is made. It makes one only when none is idle, so that there are never
//! more than requests at once. Connections go round among the processes of the service.

use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::uri::Authority;
use metrics::Gauge;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::address::{Address, Attempt};
use super::connection::UpstreamConnection;
use crate::config::UpstreamConfig;
use crate::meter::Counted;

/// How long after a refused connection the second and last try comes: a service that is started anew is away for a moment.
const AGAIN: Duration = Duration::from_millis(20);

/// How long an address that accepted no connection is passed over: at first, and at most. It doubles with every failed probe.
const AWAY: Duration = Duration::from_secs(1);
const AWAY_MAX: Duration = Duration::from_secs(10);

/// A connection without a request.
struct Idle {
    connection: Box<UpstreamConnection>,
    since: Instant,
}

/// The connections to one service that have no request.
pub(super) struct Pool {
    addresses: Vec<Address>,
    /// Where the next connection begins to look.
    turn: AtomicUsize,
    connect_timeout: Duration,
    idle_timeout: Duration,
    /// The longest idle first.
    idle: Mutex<Vec<Idle>>,
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
            turn: AtomicUsize::new(0),
            connect_timeout: config.connect_timeout,
            idle_timeout: config.idle_timeout,
            idle: Mutex::default(),
            open,
        }
    }

    /// The connection that became idle last: the service is the least likely to have closed it.
    pub(super) fn take(&self, now: Instant) -> Option<Box<UpstreamConnection>> {
        let last = self.idle().pop()?;
        if now.duration_since(last.since) < self.idle_timeout {
            return Some(last.connection);
        }
        // The others are older still.
        self.forget_old(now);
        None
    }

    /// Keeps a connection that is free.
    pub(super) fn give(&self, connection: Box<UpstreamConnection>, now: Instant) {
        connection.rest();
        self.idle().push(Idle { connection, since: now });
    }

    /// Closes what has been idle for too long.
    pub(super) fn forget_old(&self, now: Instant) {
        let mut idle = self.idle();
        let old = idle.partition_point(|idle| now.duration_since(idle.since) >= self.idle_timeout);
        let closing: Vec<Idle> = idle.drain(..old).collect();
        // Closing takes a while, and nobody should wait for it.
        drop(idle);
        drop(closing);
    }

    /// Connects to the next address that accepts, before `deadline`. Addresses that were away a moment ago come last.
    pub(super) async fn connect(&self, deadline: Instant) -> io::Result<Box<UpstreamConnection>> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut failed = None;
        let mut tried = vec![false; self.addresses.len()];
        for last_resort in [false, true] {
            for nth in 0..self.addresses.len() {
                let at = (turn + nth) % self.addresses.len();
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
            // The time is taken now: the attempt itself may have lasted as long as an address is passed over.
            Err(error) => attempt.failed(Instant::now(), error.kind() == ErrorKind::TimedOut),
        }
        result
    }

    async fn connect_to(&self, address: &str) -> io::Result<Box<UpstreamConnection>> {
        let stream = match dial(address).await {
            // With several addresses the next one is tried at once; a single one gets a second chance.
            Err(error) if is_refusal(&error) && self.addresses.len() == 1 => {
                tokio::time::sleep(AGAIN).await;
                dial(address).await?
            }
            dialled => dialled?,
        };
        UpstreamConnection::over(stream, Counted::up(&self.open)).await.map_err(io::Error::other)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
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
