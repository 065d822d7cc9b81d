//! The worker's settings.

use std::time::Duration;

use service::config::Part;

/// The settings of a worker.
#[derive(Debug, Clone)]
pub struct Config {
    /// The maximum number of order calls of one event in flight in this process.
    pub calls_max: u32,
    /// How long the order service may take for one call. Below the lease of a call, so that no other worker repeats it meanwhile.
    pub call_timeout: Duration,
    /// How long a step waits for queue and ledger before it is dropped and repeated. Above the 10 s after which the ledger's
    /// database ends a statement by itself.
    pub store_timeout: Duration,
    /// How many numbers the queue may give beyond its last one, at least.
    pub numbers_ahead_min: u32,
    /// How long admission pauses, in milliseconds, after the queue lost applications. Applicants can present receipts meanwhile.
    pub recover_grace_ms: i64,
    /// How long after the end of a called applicant's pass the shop may report the result, in milliseconds.
    pub report_grace_ms: i64,
    /// The base URL of the order service. Without one, the ledger keeps the orders.
    pub order_service: Option<String>,
    /// The settings of messaging, which are in a section of their own.
    pub messaging: messaging::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            calls_max: 64,
            call_timeout: Duration::from_secs(5),
            store_timeout: Duration::from_secs(15),
            numbers_ahead_min: 1000,
            recover_grace_ms: 60_000,
            report_grace_ms: 30_000,
            order_service: None,
            messaging: messaging::Config::default(),
        }
    }
}

const _: () = assert!(CALL_TIMEOUT_MAX_MS < ledger::CALL_LEASE_MS, "a call must end before its lease does");
const CALL_TIMEOUT_MAX_MS: i64 = 8_000;

impl Config {
    /// Reads the settings and reports mistakes in this section.
    pub fn read(part: &mut Part<'_>) -> Self {
        let defaults = Self::default();
        let timeout_ms = part.duration_ms("call_timeout", 5000, 100..=CALL_TIMEOUT_MAX_MS);
        let order_service = part.optional_text("order_service");
        if order_service.as_ref().is_some_and(|url| !url.starts_with("http://")) {
            part.mistake("order_service", "begins with http://");
        }
        Self {
            calls_max: u32::try_from(part.integer("calls_max", 1..=4096, 64)).unwrap_or(defaults.calls_max),
            call_timeout: Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(5000)),
            store_timeout: defaults.store_timeout,
            numbers_ahead_min: u32::try_from(part.integer("numbers_ahead_min", 1..=1_000_000, 1000))
                .unwrap_or(defaults.numbers_ahead_min),
            recover_grace_ms: part.duration_ms("recover_grace", defaults.recover_grace_ms, 0..=3_600_000),
            report_grace_ms: part.duration_ms("report_grace", defaults.report_grace_ms, 0..=3_600_000),
            order_service,
            messaging: defaults.messaging,
        }
    }
}
