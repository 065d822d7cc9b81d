//! The context of a process: clock, random source, tasks and health checks.

use crate::clock::{self, Now};
use crate::entropy::{self, Rng};
use crate::health::Health;
use crate::tasks::Tasks;

/// What each role gets besides its settings. A clone refers to the same process.
#[derive(Clone)]
pub struct Context {
    /// The clock.
    pub now: Now,
    /// The random source.
    pub rng: Rng,
    /// The background tasks and their shutdown.
    pub tasks: Tasks,
    /// The checks that decide whether the process is ready.
    pub health: Health,
}

impl Context {
    /// A context with the system's clock and random source, and no tasks or checks.
    pub fn system() -> Self {
        Self {
            now: clock::system(),
            rng: entropy::system(),
            tasks: Tasks::default(),
            health: Health::default(),
        }
    }
}
