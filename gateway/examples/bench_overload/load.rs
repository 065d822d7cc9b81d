//! The load: requests at times that are fixed before the run, whether or not earlier ones have been answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use testkit::seeded;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::SLO;
use crate::backend::uniform;

/// How long a client waits for its response.
const PATIENCE: Duration = Duration::from_secs(1);
/// The parts of orders, signups and browsing in all requests; the rest are bots.
const MIX: [f64; 3] = [0.05, 0.20, 0.60];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestKind {
    Order,
    Signup,
    Browse,
    Bot,
}

/// Whether the paths tell the classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paths {
    ByClass,
    OneClass,
}

impl RequestKind {
    fn request(self, paths: Paths) -> &'static [u8] {
        match (self, paths) {
            (Self::Order, Paths::ByClass) => {
                b"GET /orders/new HTTP/1.1\r\nhost: shop\r\nuser-agent: Mozilla/5.0\r\n\r\n"
            }
            (Self::Signup, Paths::ByClass) => {
                b"GET /e/spring HTTP/1.1\r\nhost: shop\r\nuser-agent: Mozilla/5.0\r\n\r\n"
            }
            (Self::Bot, Paths::ByClass) => {
                b"GET /products/7 HTTP/1.1\r\nhost: shop\r\nuser-agent: Googlebot/2.1\r\n\r\n"
            }
            _ => b"GET /products/7 HTTP/1.1\r\nhost: shop\r\nuser-agent: Mozilla/5.0\r\n\r\n",
        }
    }
}

/// The requests of a run.
#[derive(Debug)]
pub(crate) struct Arrivals {
    requests: Vec<(Duration, RequestKind)>,
    paths: Paths,
    run: Duration,
}

impl Arrivals {
    /// Independent arrivals at this rate.
    pub(crate) fn new(rate: f64, run: Duration, paths: Paths) -> Self {
        let rng = seeded(11);
        let (mut at, mut requests) = (0.0, Vec::new());
        while at < run.as_secs_f64() {
            at -= uniform(&rng).ln() / rate;
            let part = uniform(&rng);
            let kind = match part {
                _ if part < MIX[0] => RequestKind::Order,
                _ if part < MIX[0] + MIX[1] => RequestKind::Signup,
                _ if part < MIX[0] + MIX[1] + MIX[2] => RequestKind::Browse,
                _ => RequestKind::Bot,
            };
            requests.push((Duration::from_secs_f64(at), kind));
        }
        Self { requests, paths, run }
    }
}

/// The result of one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    planned: Duration,
    pub(crate) kind: RequestKind,
    /// How much later than planned it was sent.
    pub(crate) lateness: Duration,
    /// The status, unless there was no response in time.
    pub(crate) status: Option<u16>,
    /// From the planned time to the end of the response.
    pub(crate) latency: Duration,
}

impl Sample {
    pub(crate) fn is_served(&self) -> bool {
        self.status == Some(200)
    }

    /// Served while the client still had a use for it.
    pub(crate) fn is_good(&self) -> bool {
        self.is_served() && self.latency <= SLO
    }
}

/// The measured part of a run.
#[derive(Debug)]
pub(crate) struct LoadResult {
    pub(crate) samples: Vec<Sample>,
    pub(crate) measured: Duration,
    /// The part of the machine's CPU time that was idle.
    pub(crate) idle: f64,
}

/// Idle connections of the clients.
struct Clients {
    address: SocketAddr,
    idle: Mutex<Vec<TcpStream>>,
}

pub(crate) async fn run(
    address: SocketAddr,
    arrivals: &Arrivals,
    warm_up: Duration,
    change: impl FnOnce(),
) -> LoadResult {
    run_with_change(address, arrivals, warm_up, warm_up, change).await
}

/// Sends the requests, calls `change` at `change_at`, and measures what is planned for after `from`.
pub(crate) async fn run_with_change(
    address: SocketAddr,
    arrivals: &Arrivals,
    change_at: Duration,
    from: Duration,
    change: impl FnOnce(),
) -> LoadResult {
    let clients = Arc::new(Clients { address, idle: Mutex::default() });
    let (mut change, mut tasks, mut samples) = (Some(change), JoinSet::new(), Vec::new());
    let before = CpuTimes::now();
    let begun = Instant::now() + Duration::from_millis(20);
    for (planned, kind) in &arrivals.requests {
        if *planned > change_at
            && let Some(change) = change.take()
        {
            change();
        }
        tokio::time::sleep_until(begun + *planned).await;
        let (clients, planned, kind, paths) = (Arc::clone(&clients), *planned, *kind, arrivals.paths);
        tasks.spawn(async move { send(&clients, begun, planned, kind, paths).await });
        while let Some(Ok(sample)) = tasks.try_join_next() {
            samples.push(sample);
        }
    }
    let idle = CpuTimes::now().idle_since(&before);
    while let Some(Ok(sample)) = tasks.join_next().await {
        samples.push(sample);
    }
    samples.retain(|sample: &Sample| sample.planned >= from);
    LoadResult { samples, measured: arrivals.run.saturating_sub(from), idle }
}

async fn send(
    clients: &Clients,
    begun: Instant,
    planned: Duration,
    kind: RequestKind,
    paths: Paths,
) -> Sample {
    let due = begun + planned;
    let lateness = due.elapsed();
    let status = tokio::time::timeout_at(due + PATIENCE, exchange(clients, kind.request(paths))).await;
    let status = status.ok().and_then(Result::ok);
    Sample { planned, kind, lateness, status, latency: due.elapsed() }
}

/// The status of the response. A connection that the server has closed is replaced once.
async fn exchange(clients: &Clients, request: &[u8]) -> std::io::Result<u16> {
    let idle = clients.idle.lock().unwrap().pop();
    if let Some(stream) = idle
        && let Ok(status) = exchange_over(clients, stream, request).await
    {
        return Ok(status);
    }
    let stream = TcpStream::connect(clients.address).await?;
    stream.set_nodelay(true)?;
    exchange_over(clients, stream, request).await
}

/// A stream that resets its connection when dropped: thousands of closed connections would use up the ports.
struct Resetting(Option<TcpStream>);

impl Drop for Resetting {
    fn drop(&mut self) {
        if let Some(stream) = &self.0 {
            let _ = stream.set_zero_linger();
        }
    }
}

async fn exchange_over(clients: &Clients, stream: TcpStream, request: &[u8]) -> std::io::Result<u16> {
    let mut resetting = Resetting(Some(stream));
    let stream = resetting.0.as_mut().unwrap();
    stream.write_all(request).await?;
    let mut bytes = Vec::with_capacity(2048);
    let (status, is_kept) = loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(response) = parse(&bytes) {
            break response;
        }
    };
    if is_kept {
        clients.idle.lock().unwrap().extend(resetting.0.take());
    }
    Ok(status)
}

/// The status of a complete response, and whether the connection stays open.
fn parse(bytes: &[u8]) -> Option<(u16, bool)> {
    let end = bytes.windows(4).position(|part| part == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..end]).ok()?.to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1)?.split("\r\n").next()?.trim().parse::<usize>().ok()?;
    (bytes.len() >= end + length)
        .then(|| (head[9..12].parse().unwrap_or(0), !head.contains("connection: close")))
}

/// The goodput with so many clients, each of which sends its next request when it has the response.
pub(crate) async fn closed_loop(address: SocketAddr, clients: usize, round: Duration) -> f64 {
    let shared = Arc::new(Clients { address, idle: Mutex::default() });
    let (begun, mut tasks) = (Instant::now(), JoinSet::new());
    for _ in 0..clients {
        let shared = Arc::clone(&shared);
        tasks.spawn(async move {
            let mut good = 0_u32;
            while begun.elapsed() < round {
                let sent = Instant::now();
                let status = exchange(&shared, RequestKind::Browse.request(Paths::OneClass)).await;
                good += u32::from(status.is_ok_and(|status| status == 200) && sent.elapsed() <= SLO);
            }
            good
        });
    }
    let mut good = 0;
    while let Some(Ok(part)) = tasks.join_next().await {
        good += part;
    }
    f64::from(good) / begun.elapsed().as_secs_f64()
}

/// Both ends of a connection may be files of this process.
pub(crate) fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
}

/// The CPU time of the machine since its start, in ticks.
struct CpuTimes {
    idle: f64,
    total: f64,
}

impl CpuTimes {
    fn now() -> Self {
        let text = std::fs::read_to_string("/proc/stat").unwrap();
        let ticks: Vec<f64> = text
            .lines()
            .next()
            .unwrap()
            .split_whitespace()
            .skip(1)
            .map(|ticks| ticks.parse().unwrap())
            .collect();
        Self { idle: ticks[3] + ticks[4], total: ticks.iter().take(8).sum() }
    }

    fn idle_since(&self, before: &Self) -> f64 {
        (self.idle - before.idle) / (self.total - before.total).max(1.0)
    }
}
