//! What every process needs once: config, telemetry, shutdown, health, HTTP, clock and chance. It knows nothing of events.

pub mod admin;
pub mod attempt_limiter;
pub mod clock;
pub mod config;
pub mod entropy;
pub mod health;
pub mod http;
pub mod language;
mod lazy_timer;
mod lazy_wake;
pub mod openapi;
pub mod problem;
pub mod tasks;
pub mod telemetry;
pub mod trace;

pub use attempt_limiter::AttemptLimiter;
pub use clock::Now;
pub use config::Settings;
pub use entropy::Rng;
pub use health::Health;
pub use language::Language;
pub use lazy_timer::LazyTimer;
pub use lazy_wake::LazyWake;
pub use problem::Problem;
pub use tasks::Tasks;

/// What each role is given besides its settings. A clone is the same process.
#[derive(Clone)]
pub struct Context {
    /// The clock.
    pub now: Now,
    /// The source of chance.
    pub rng: Rng,
    /// Where everything that runs on its own is started, and what tells it to stop.
    pub tasks: Tasks,
    /// What decides whether the process is ready.
    pub health: Health,
}

impl Context {
    /// The real clock and the real chance, with nothing started yet.
    pub fn system() -> Self {
        Self {
            now: clock::system(),
            rng: entropy::system(),
            tasks: Tasks::default(),
            health: Health::default(),
        }
    }
}
