//! A clock that jumps to the next thing to happen, so that minutes of load take no time and come out alike each time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use shop::saturation::Pause;
use tokio::sync::oneshot;

/// Turns of the other tasks until nothing more happens by itself: a wake-up goes through a handful of tasks.
const TURNS: usize = 16;

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

    pub(crate) fn pause(&self) -> Pause {
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

    /// Lets the time pass until then. For a runtime of one thread only.
    pub(crate) async fn run_until(&self, end: Duration) {
        loop {
            for _ in 0..TURNS {
                tokio::task::yield_now().await;
            }
            let state = &mut *self.0.lock().unwrap();
            match state.sleepers.first_entry() {
                Some(next) if next.key().0 <= end => {
                    state.now = next.key().0;
                    // Somebody who went away needs no waking.
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
