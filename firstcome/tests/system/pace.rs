//! How evenly the shop was called, judged by its own count of order calls, and whether the machine allowed an even pace.

use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

const SLOT_MS: i64 = 100;
pub(crate) const WINDOW_MS: i64 = 10_000;
/// A machine that delays a small write for so long voids tokens, whatever spends them.
const LATE_MS: i64 = 150;

/// Starts of order calls by tenths of a second.
pub(crate) struct Starts {
    first_ms: i64,
    counts: Vec<u32>,
}

impl Starts {
    pub(crate) fn of(figure: &Value) -> Self {
        let starts = &figure["order_call_starts"];
        assert_eq!(starts["slot_ms"].as_i64(), Some(SLOT_MS));
        let counts = starts["counts"].as_array().unwrap().iter();
        let counts = counts.map(|count| u32::try_from(count.as_u64().unwrap()).unwrap()).collect();
        Self { first_ms: starts["first_slot_ms"].as_i64().unwrap(), counts }
    }

    /// How many there were, all told.
    pub(crate) fn total(&self) -> u32 {
        self.counts.iter().sum()
    }

    /// How many there were in a window.
    pub(crate) fn within(&self, window: (i64, i64)) -> u32 {
        let slot = |ms: i64| usize::try_from((ms - self.first_ms) / SLOT_MS).unwrap_or(0);
        self.counts.iter().take(slot(window.1)).skip(slot(window.0)).sum()
    }

    /// The most in any ten seconds between two moments.
    pub(crate) fn most(&self, from_ms: i64, to_ms: i64) -> u32 {
        let begins = (from_ms..=(to_ms - WINDOW_MS).max(from_ms)).step_by(100);
        begins.map(|begin| self.within((begin, begin + WINDOW_MS))).max().unwrap_or(0)
    }
}

/// Writes a little to the disk, again and again, and remembers when that took long.
pub(crate) struct Watch {
    stop: Option<mpsc::Sender<()>>,
    watching: JoinHandle<Vec<(i64, i64)>>,
}

impl Watch {
    pub(crate) fn begin(folder: &Path) -> Self {
        let mut file = std::fs::File::create(folder.join("watch")).unwrap();
        let (stop, stopped) = mpsc::channel::<()>();
        let watching = std::thread::spawn(move || {
            let now = service::clock::system();
            let mut late = Vec::new();
            loop {
                let begin = now();
                let waited = stopped.recv_timeout(Duration::from_millis(40));
                file.write_all(b".").and_then(|()| file.sync_data()).unwrap();
                if now() - begin > LATE_MS {
                    late.push((begin, now()));
                }
                if waited == Err(mpsc::RecvTimeoutError::Disconnected) {
                    return late;
                }
            }
        });
        Self { stop: Some(stop), watching }
    }

    /// When the machine was late, from and to.
    pub(crate) fn end(mut self) -> Vec<(i64, i64)> {
        self.stop = None;
        self.watching.join().unwrap()
    }
}
