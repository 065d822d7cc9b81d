//! The idle connections to one service, and how one more is made. It makes one only when none is idle, so that there are never
//! more than requests at once.

use std::io::{self, ErrorKind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::Gauge;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::link::Link;
use crate::config::UpstreamConfig;
use crate::meter::Counted;

/// How long after a refused connection the second and last try comes: a service that is started anew is away for a moment.
const AGAIN: Duration = Duration::from_millis(20);

/// A connection without a request.
struct Idle {
    link: Box<Link>,
    since: Instant,
}

/// The connections to one service that have no request.
pub(super) struct Pool {
    /// Host and port; the name is looked up at each connection, because a service may move.
    address: String,
    connect_timeout: Duration,
    idle_timeout: Duration,
    /// The longest idle first.
    idle: Mutex<Vec<Idle>>,
    open: Gauge,
}

impl Pool {
    pub(super) fn new(config: &UpstreamConfig, open: Gauge) -> Self {
        let (host, port) = (config.authority.host(), config.authority.port_u16().unwrap_or(80));
        Self {
            address: format!("{host}:{port}"),
            connect_timeout: config.connect_timeout,
            idle_timeout: config.idle_timeout,
            idle: Mutex::default(),
            open,
        }
    }

    /// The connection that became idle last: the service is the least likely to have closed it.
    pub(super) fn take(&self, now: Instant) -> Option<Box<Link>> {
        let last = self.idle().pop()?;
        if now.duration_since(last.since) < self.idle_timeout {
            return Some(last.link);
        }
        // The others are older still.
        self.forget_old(now);
        None
    }

    /// Keeps a connection that is free.
    pub(super) fn give(&self, link: Box<Link>, now: Instant) {
        link.rest();
        self.idle().push(Idle { link, since: now });
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

    /// Makes a connection, in its time.
    pub(super) async fn connect(&self) -> io::Result<Box<Link>> {
        let connecting = async {
            let stream = match dial(&self.address).await {
                Err(error)
                    if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset) =>
                {
                    tokio::time::sleep(AGAIN).await;
                    dial(&self.address).await?
                }
                dialled => dialled?,
            };
            Link::over(stream, Counted::up(&self.open)).await.map_err(io::Error::other)
        };
        let in_time = tokio::time::timeout(self.connect_timeout, connecting).await;
        in_time.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn dial(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
