//! How much a service bears: beyond its knee every further request makes all of them slower, so that less comes out.
//! Nothing here uses the processor; the work is waiting, so a small machine can show a large shop failing.
//!
//! The law is Gunther's universal scalability law (N. J. Gunther, "A General Theory of Computational Scalability Based on
//! Rational Functions", arXiv:0808.1431): capacity C(N) = N / (1 + a(N-1) + bN(N-1)), with a for what is shared (contention)
//! and b for what each does because of each other (crosstalk). Here N is the load: requests under way, those that wait among
//! them, as a multiple of the knee, which lies at twice `at_once`: as many may wait as are worked on before anything suffers.
//! Only `at_once` work, so beyond the knee each holds its place for `work_ms * (1 + a(N-1) + bN(N-1))`, and ever fewer come
//! out. By default a = b = 20 %: 62 % of the peak at N = 2, 15 % with a full queue.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use service::config::Part;
use service::{Rng, Tasks};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Requests under way for each place, where the knee lies.
const SATURATION: f64 = 2.0;
/// How far one piece of work is from another: this much above or below.
const SPREAD: f64 = 0.2;

/// Waits so long; a test's moves its own clock.
pub type Pause = Arc<dyn Fn(Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// The real wait.
pub fn real_pause() -> Pause {
    Arc::new(|time| Box::pin(tokio::time::sleep(time)))
}

/// What a service bears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capacity {
    /// How long one piece of work takes when nobody else is there.
    pub work_ms: u32,
    /// Requests that are worked on at once; all others wait, first come, first served.
    pub at_once: u32,
    /// Requests that may wait. Whoever comes then is let sit until `dies_after_ms`, and gets an error.
    pub queue_max: u32,
    /// What is shared, in percent: `a` of the law.
    pub contention_pct: u32,
    /// What each does because of each other, in percent: `b` of the law.
    pub crosstalk_pct: u32,
    /// How long somebody who found no room is kept before the error: a server out of room is not quick about it.
    pub dies_after_ms: u32,
}

impl Default for Capacity {
    fn default() -> Self {
        Self {
            work_ms: 40,
            at_once: 16,
            queue_max: 160,
            contention_pct: 20,
            crosstalk_pct: 20,
            dies_after_ms: 5000,
        }
    }
}

impl Capacity {
    /// The capacity that is set in a part; what is not is `self`'s.
    pub fn read(self, part: &mut Part<'_>) -> Self {
        Self {
            work_ms: number(part, "work_ms", 1..=60_000, self.work_ms),
            at_once: number(part, "at_once", 1..=10_000, self.at_once),
            queue_max: number(part, "queue_max", 0..=100_000, self.queue_max),
            contention_pct: number(part, "contention_pct", 0..=1000, self.contention_pct),
            crosstalk_pct: number(part, "crosstalk_pct", 0..=1000, self.crosstalk_pct),
            dies_after_ms: number(part, "dies_after_ms", 0..=60_000, self.dies_after_ms),
        }
    }

    /// Pieces of work a second at the knee: the most that ever comes out.
    pub fn peak(&self) -> f64 {
        f64::from(self.at_once) * 1000.0 / f64::from(self.work_ms)
    }

    /// How many times longer each works with so many under way.
    pub fn slowdown(&self, under_way: u32) -> f64 {
        let load = f64::from(under_way) / (SATURATION * f64::from(self.at_once));
        if load <= 1.0 {
            return 1.0;
        }
        let (a, b) = (f64::from(self.contention_pct) / 100.0, f64::from(self.crosstalk_pct) / 100.0);
        1.0 + a * (load - 1.0) + b * load * (load - 1.0)
    }
}

fn number(part: &mut Part<'_>, key: &str, range: std::ops::RangeInclusive<i64>, default: u32) -> u32 {
    u32::try_from(part.integer(key, range, i64::from(default))).unwrap_or(default)
}

/// A service that bears only so much.
pub struct SaturationPoint {
    capacity: Capacity,
    places: Semaphore,
    under_way: Arc<AtomicUsize>,
    rng: Rng,
    pause: Pause,
    tasks: Tasks,
}

impl std::fmt::Debug for SaturationPoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SaturationPoint({} under way)", self.under_way.load(Ordering::Relaxed))
    }
}

/// A place that is held until it is dropped.
#[derive(Debug)]
pub struct Place<'a> {
    _permit: SemaphorePermit<'a>,
    _here: Here,
}

/// There was no room, or the process is stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overloaded;

/// Somebody who is under way, until it is dropped.
#[derive(Debug)]
pub struct Here(Arc<AtomicUsize>);

impl Drop for Here {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl SaturationPoint {
    /// A service at rest. Its queue is dropped when the tasks are asked to stop.
    pub fn new(capacity: Capacity, rng: Rng, pause: Pause, tasks: Tasks) -> Self {
        let places = Semaphore::new(capacity.at_once as usize);
        Self { capacity, places, under_way: Arc::default(), rng, pause, tasks }
    }

    /// Lets a request in; `None` if the queue is full. Whoever is not let in is not counted: a server cannot be slowed by what
    /// it never took in.
    pub fn enter(&self) -> Option<Here> {
        let room = self.capacity.at_once as usize + self.capacity.queue_max as usize;
        let entered = self
            .under_way
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| (count < room).then_some(count + 1));
        entered.is_ok().then(|| Here(Arc::clone(&self.under_way)))
    }

    /// Waits for a place and works there for so many pieces of work; the place is the caller's until it is dropped.
    pub async fn work(&self, here: Here, pieces: u32) -> Result<Place<'_>, Overloaded> {
        let permit = tokio::select! {
            biased;
            () = self.tasks.stopping() => return Err(Overloaded),
            permit = self.places.acquire() => permit.map_err(|_| Overloaded)?,
        };
        let under_way = u32::try_from(self.under_way.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        let work_ms = f64::from(self.capacity.work_ms) * f64::from(pieces);
        self.wait(work_ms * self.capacity.slowdown(under_way) * self.spread()).await?;
        Ok(Place { _permit: permit, _here: here })
    }

    /// Keeps somebody for whom there was no room, until it is time for the error.
    pub async fn die(&self) {
        // Stopping only ends it earlier.
        let _ = self.wait(f64::from(self.capacity.dies_after_ms)).await;
    }

    async fn wait(&self, ms: f64) -> Result<(), Overloaded> {
        tokio::select! {
            biased;
            () = self.tasks.stopping() => Err(Overloaded),
            () = (self.pause)(Duration::from_secs_f64(ms / 1000.0)) => Ok(()),
        }
    }

    fn spread(&self) -> f64 {
        let mut bytes = [0; 4];
        (self.rng)(&mut bytes);
        let part = f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX);
        1.0 - SPREAD + 2.0 * SPREAD * part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowdown_is_the_law_and_starts_at_the_saturation() {
        let capacity = Capacity { at_once: 10, ..Capacity::default() };
        let percent = |under_way| format!("{:.0} %", 100.0 / capacity.slowdown(under_way));
        assert_eq!([1, 10, 20, 40, 110].map(percent), ["100 %", "100 %", "100 %", "62 %", "15 %"]);
    }

    #[test]
    fn work_is_spread_around_its_time_and_follows_rng() {
        let bytes: Rng = Arc::new(|bytes| bytes.fill(0xff));
        let none: Rng = Arc::new(|bytes| bytes.fill(0));
        let spread =
            |rng| SaturationPoint::new(Capacity::default(), rng, real_pause(), Tasks::default()).spread();
        assert!((spread(bytes) - 1.2).abs() < 1e-9 && (spread(none) - 0.8).abs() < 1e-9);
    }
}
