//! A simulated service of limited capacity. Its work is waiting, so a small machine can show a large shop failing.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use service::{Rng, Tasks};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::capacity::Capacity;

/// The largest random deviation of a unit of work from its mean duration, as a fraction.
const SPREAD: f64 = 0.2;

/// Waits for a duration; tests replace it by virtual time.
pub type Sleep = Arc<dyn Fn(Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Waits in real time.
pub fn real_sleep() -> Sleep {
    Arc::new(|time| Box::pin(tokio::time::sleep(time)))
}

/// A service of limited capacity.
pub struct SimulatedService {
    capacity: Capacity,
    slots: Semaphore,
    under_way: Arc<AtomicUsize>,
    rng: Rng,
    sleep: Sleep,
    tasks: Tasks,
}

impl std::fmt::Debug for SimulatedService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SimulatedService({} under way)", self.under_way.load(Ordering::Relaxed))
    }
}

/// A request whose work is done; it occupies its slot until it is dropped.
#[derive(Debug)]
pub struct Slot<'a> {
    _permit: SemaphorePermit<'a>,
    _request: AcceptedRequest,
}

/// The queue is full, or the process is stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overloaded;

/// A request that counts as under way until it is dropped.
#[derive(Debug)]
pub struct AcceptedRequest(Arc<AtomicUsize>);

impl Drop for AcceptedRequest {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl SimulatedService {
    /// An idle service. Its waiting requests fail when the tasks are asked to stop.
    pub fn new(capacity: Capacity, rng: Rng, sleep: Sleep, tasks: Tasks) -> Self {
        let slots = Semaphore::new(capacity.concurrency as usize);
        Self { capacity, slots, under_way: Arc::default(), rng, sleep, tasks }
    }

    /// Accepts a request; `None` if the queue is full. A shed request is not counted: it cannot slow the service down.
    pub fn accept(&self) -> Option<AcceptedRequest> {
        let max = self.capacity.concurrency as usize + self.capacity.queue_max as usize;
        let accepted = self
            .under_way
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| (count < max).then_some(count + 1));
        accepted.is_ok().then(|| AcceptedRequest(Arc::clone(&self.under_way)))
    }

    /// Waits for a slot and does this many units of work there.
    pub async fn work(&self, request: AcceptedRequest, units: u32) -> Result<Slot<'_>, Overloaded> {
        let permit = tokio::select! {
            biased;
            () = self.tasks.stopping() => return Err(Overloaded),
            permit = self.slots.acquire() => permit.map_err(|_| Overloaded)?,
        };
        let under_way = u32::try_from(self.under_way.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        let work_ms = f64::from(self.capacity.work_ms) * f64::from(units);
        self.sleep_ms(work_ms * self.capacity.slowdown(under_way) * self.deviation()).await?;
        Ok(Slot { _permit: permit, _request: request })
    }

    /// Waits until a shed request gets its error.
    pub async fn delay_shed_request(&self) {
        // A stopping process only ends the wait earlier.
        let _ = self.sleep_ms(f64::from(self.capacity.shed_delay_ms)).await;
    }

    async fn sleep_ms(&self, ms: f64) -> Result<(), Overloaded> {
        tokio::select! {
            biased;
            () = self.tasks.stopping() => Err(Overloaded),
            () = (self.sleep)(Duration::from_secs_f64(ms / 1000.0)) => Ok(()),
        }
    }

    fn deviation(&self) -> f64 {
        let mut bytes = [0; 4];
        (self.rng)(&mut bytes);
        let fraction = f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX);
        1.0 - SPREAD + 2.0 * SPREAD * fraction
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_of_work_deviates_by_at_most_20_percent() {
        let highest: Rng = Arc::new(|bytes| bytes.fill(0xff));
        let lowest: Rng = Arc::new(|bytes| bytes.fill(0));
        let deviation =
            |rng| SimulatedService::new(Capacity::default(), rng, real_sleep(), Tasks::default()).deviation();
        assert!((deviation(highest) - 1.2).abs() < 1e-9 && (deviation(lowest) - 0.8).abs() < 1e-9);
    }
}
