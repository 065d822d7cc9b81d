//! Virtual time that jumps to the next wake-up, so that minutes of load take no time and every run is equal.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use shop::simulated_service::Sleep;
use tokio::sync::oneshot;

/// Yields until all other tasks are idle: a wake-up passes through a handful of tasks.
const YIELDS: usize = 16;

#[derive(Clone, Default)]
pub(crate) struct VirtualTime(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    now: Duration,
    nth: u64,
    sleepers: BTreeMap<(Duration, u64), oneshot::Sender<()>>,
}

impl VirtualTime {
    pub(crate) fn now(&self) -> Duration {
        self.0.lock().unwrap().now
    }

    pub(crate) fn sleep_fn(&self) -> Sleep {
        let time = self.clone();
        Arc::new(move |length| {
            let woken = time.sleep(length);
            Box::pin(async move { woken.await.unwrap_or_default() })
        })
    }

    fn sleep(&self, length: Duration) -> oneshot::Receiver<()> {
        let (wake, woken) = oneshot::channel();
        let state = &mut *self.0.lock().unwrap();
        state.nth += 1;
        state.sleepers.insert((state.now + length, state.nth), wake);
        woken
    }

    /// Advances the time to `end`. Requires a single-threaded runtime.
    pub(crate) async fn run_until(&self, end: Duration) {
        loop {
            for _ in 0..YIELDS {
                tokio::task::yield_now().await;
            }
            let state = &mut *self.0.lock().unwrap();
            match state.sleepers.first_entry() {
                Some(next) if next.key().0 <= end => {
                    state.now = next.key().0;
                    // A sleeper whose task was dropped needs no wake-up.
                    let _ = next.remove().send(());
                }
                _ => {
                    state.now = end;
                    return;
                }
            }
        }
    }
}
