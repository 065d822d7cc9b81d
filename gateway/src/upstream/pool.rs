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

use super::connection::UpstreamConnection;
use crate::config::UpstreamConfig;
use crate::meter::Counted;

/// How long after a refused connection the second and last try comes: a service that is started anew is away for a moment.
const AGAIN: Duration = Duration::from_millis(20);

/// How long a process that took no connection is passed over while others take them.
const AWAY: Duration = Duration::from_secs(1);

/// A connection without a request.
struct Idle {
    connection: Box<UpstreamConnection>,
    since: Instant,
}

/// One process of the service.
struct Address {
    /// Host and port; the name is looked up at each connection, because a service may move.
    text: String,
    /// Until then it is only asked if no other takes connections.
    away_until: Mutex<Option<Instant>>,
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
            let (host, port) = (authority.host(), authority.port_u16().unwrap_or(80));
            Address { text: format!("{host}:{port}"), away_until: Mutex::default() }
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

    /// Makes a connection to the next process that takes one, each in its time. Those that were away a moment ago come last.
    pub(super) async fn connect(&self) -> io::Result<Box<UpstreamConnection>> {
        let now = Instant::now();
        let (mut in_turn, away): (Vec<_>, Vec<_>) =
            self.addresses.iter().partition(|address| !address.is_away(now));
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let here = in_turn.len().max(1);
        in_turn.rotate_left(turn % here);
        let mut failed = None;
        for address in in_turn.into_iter().chain(away) {
            match tokio::time::timeout(self.connect_timeout, self.connect_to(&address.text)).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) => failed = Some(error),
                Err(_) => failed = Some(ErrorKind::TimedOut.into()),
            }
            address.note_away(now);
        }
        Err(failed.unwrap_or_else(|| ErrorKind::NotFound.into()))
    }

    async fn connect_to(&self, address: &str) -> io::Result<Box<UpstreamConnection>> {
        let stream = match dial(address).await {
            // Another process may take it at once; a lone one is given a second chance.
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

impl Address {
    fn is_away(&self, now: Instant) -> bool {
        self.away().is_some_and(|until| now < until)
    }

    fn note_away(&self, now: Instant) {
        *self.away() = Some(now + AWAY);
    }

    fn away(&self) -> MutexGuard<'_, Option<Instant>> {
        self.away_until.lock().unwrap_or_else(PoisonError::into_inner)
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
