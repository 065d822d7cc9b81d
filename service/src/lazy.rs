//! Timers and wake-ups for the hot path: cheap to poll while nothing happens.

mod timer;
mod wake;

pub use timer::LazyTimer;
pub use wake::LazyWake;
