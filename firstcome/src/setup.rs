//! The settings of a whole system, read from file, environment and flags. The stores are the embedded ones.

mod event;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use domain::{EventSettings, Millis};
use service::Settings;
use service::config::Mistakes;
use service::telemetry::LogFormat;

pub use event::demo_event;

/// Everything that a system is started with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Where line, book and keys are kept.
    pub folder: PathBuf,
    /// Where the page and its API are served.
    pub listen: SocketAddr,
    /// Where `/livez /readyz /metrics` are served.
    pub admin_listen: SocketAddr,
    /// The desk's settings.
    pub signup: signup_service::Config,
    /// The worker's settings.
    pub worker: worker::Config,
    /// Events that are written into the book if they are new.
    pub events: Vec<EventSettings>,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Which log lines are written.
    pub log_filter: String,
}

/// Merges the settings; mistakes of the file's form come at once, all others with `finish`.
pub fn load(file: Option<&Path>, flags: &[(String, String)]) -> Result<Settings, Mistakes> {
    Settings::load(file, std::env::vars(), flags)
}

impl Setup {
    /// Reads the settings; mistakes stay with them until they are finished.
    pub fn read(settings: &Settings, now: Millis) -> Self {
        let mut root = settings.part("");
        let mut signup = settings.part("signup");
        let mut log = settings.part("log");
        Self {
            folder: PathBuf::from(settings.part("data").text("folder", "data")),
            listen: signup.parse("listen", "127.0.0.1:8080"),
            signup: signup_service::Config::read(&mut signup),
            admin_listen: settings.part("admin").parse("listen", "127.0.0.1:9090"),
            worker: worker::Config::read(&mut settings.part("worker")),
            events: root.list("event").iter_mut().filter_map(|part| event::read(part, now)).collect(),
            log_format: log.parse("format", "text"),
            log_filter: log.text("filter", "info"),
        }
    }
}
