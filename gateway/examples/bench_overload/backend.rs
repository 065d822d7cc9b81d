//! A backend that is as fast as with one request up to some concurrency, and breaks down above it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use testkit::seeded;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;

/// The time of one request alone, and how it grows with the requests at once: by contention, and by their mutual coherence. The
/// peak is at 20 requests at once, about 430 a second.
const BASE: f64 = 0.020;
const CONTENTION: f64 = 0.02;
const COHERENCE: f64 = 0.00245;
/// The spread of the times, as the standard deviation of their logarithm.
const SPREAD: f64 = 0.5;
/// The connections of the pool, the time of one request with one, and the part in which it holds the lock.
const POOL: usize = 32;
const POOL_TIME: f64 = 0.080;
const LOCK_TIME: Duration = Duration::from_millis(1);

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok";

/// How a backend becomes slower under load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BackendKind {
    /// Each request slows the others down, as in the universal scalability law.
    Contended,
    /// Requests wait for one of a few connections, and then for a lock.
    Pool,
}

impl BackendKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Contended => "contended",
            Self::Pool => "pool",
        }
    }

    /// The concurrencies among which the peak is.
    pub(crate) fn concurrencies(self) -> [usize; 3] {
        match self {
            Self::Contended => [16, 20, 25],
            Self::Pool => [28, 32, 40],
        }
    }
}

struct State {
    kind: BackendKind,
    in_flight: AtomicUsize,
    /// The factor of all times, as its bits.
    slowdown: AtomicU64,
    pool: Semaphore,
    lock: Mutex<()>,
    rng: testkit::rng::Rng,
}

/// The backend, which ends with this process.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

impl Backend {
    pub(crate) async fn start(kind: BackendKind) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            kind,
            in_flight: AtomicUsize::new(0),
            slowdown: AtomicU64::new(1.0_f64.to_bits()),
            pool: Semaphore::new(POOL),
            lock: Mutex::new(()),
            rng: seeded(7),
        });
        let mut tasks = JoinSet::new();
        let shared = Arc::clone(&state);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let state = Arc::clone(&shared);
                connections.spawn(async move {
                    let _ = serve(stream, &state).await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self { address, state, _tasks: tasks }
    }

    pub(crate) fn set_slowdown(&self, factor: f64) {
        self.state.slowdown.store(factor.to_bits(), Ordering::Relaxed);
    }
}

/// Counts a request while it exists.
struct InFlightCount<'a>(&'a AtomicUsize);

impl Drop for InFlightCount<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn serve(mut stream: TcpStream, state: &State) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut head = Vec::with_capacity(1024);
    loop {
        head.clear();
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let mut next = [0];
        tokio::select! {
            () = work(state) => stream.write_all(RESPONSE).await?,
            // The client left.
            _ = stream.peek(&mut next) => return Ok(()),
        }
    }
}

async fn work(state: &State) {
    let others = state.in_flight.fetch_add(1, Ordering::Relaxed);
    let _counted = InFlightCount(&state.in_flight);
    let factor = f64::from_bits(state.slowdown.load(Ordering::Relaxed)) * noise(&state.rng);
    match state.kind {
        BackendKind::Contended => {
            let (n, others) = (others as f64 + 1.0, others as f64);
            let time = BASE * (1.0 + CONTENTION * others + COHERENCE * n * others);
            // No client waits for longer.
            tokio::time::sleep(Duration::from_secs_f64((time * factor).min(60.0))).await;
        }
        BackendKind::Pool => {
            let Ok(_connection) = state.pool.acquire().await else { return };
            tokio::time::sleep(Duration::from_secs_f64(POOL_TIME * factor)).await;
            let _lock = state.lock.lock().await;
            tokio::time::sleep(LOCK_TIME).await;
        }
    }
}

/// A factor with a lognormal distribution, whose mean is 1.
fn noise(rng: &testkit::rng::Rng) -> f64 {
    let normal = (-2.0 * uniform(rng).ln()).sqrt() * (std::f64::consts::TAU * uniform(rng)).cos();
    (SPREAD * normal - SPREAD * SPREAD / 2.0).exp()
}

/// A number above 0, and at most 1.
pub(crate) fn uniform(rng: &testkit::rng::Rng) -> f64 {
    let mut bytes = [0; 8];
    rng(&mut bytes);
    ((u64::from_le_bytes(bytes) >> 11) + 1) as f64 / (1_u64 << 53) as f64
}
