//! The settings of a whole system, read from file, environment and flags.

mod event;
mod stores;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use domain::{EventSettings, Millis};
use service::Settings;
use service::config::{Mistakes, Part};
use service::telemetry::LogFormat;

pub use event::demo_event;
pub use stores::{ExternalStores, ProcessRole, Stores};

/// The settings of a system.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The parts that run in this process.
    pub role: ProcessRole,
    /// The stores of queue and ledger.
    pub stores: Stores,
    /// The file with the root secrets.
    pub keys: PathBuf,
    /// The address of the signup service.
    pub listen: SocketAddr,
    /// The address of `/livez`, `/readyz` and `/metrics`.
    pub admin_listen: SocketAddr,
    /// The signup service's settings.
    pub signup: signup_service::Config,
    /// The worker's settings.
    pub worker: worker::Config,
    /// The settings of domain events.
    pub messaging: messaging::Config,
    /// The operator console, if it runs here.
    pub operator: Option<OperatorSettings>,
    /// The gateway, if it runs here.
    pub gateway: Option<gateway::Config>,
    /// Events that are written to the ledger if it does not contain them.
    pub events: Vec<EventSettings>,
    /// The format of log lines.
    pub log_format: LogFormat,
    /// The filter of log lines.
    pub log_filter: String,
}

/// The operator console's settings.
#[derive(Debug, Clone)]
pub struct OperatorSettings {
    /// The address of the operator API and its console.
    pub listen: SocketAddr,
    /// Tokens and host names.
    pub config: operator::Config,
}

/// Environment variables of commands, which are not settings although they have the same prefix.
pub(crate) const COMMAND_VARIABLES: [&str; 3] =
    ["FIRSTCOME_OPERATOR_URL", "FIRSTCOME_TOKEN", "FIRSTCOME_TOKEN_FILE"];

/// Merges file, environment and flags. Returns syntax errors of the file at once; `finish` returns all other mistakes.
pub fn load(file: Option<&Path>, flags: &[(String, String)]) -> Result<Settings, Mistakes> {
    let variables = std::env::vars().filter(|(name, _)| !COMMAND_VARIABLES.contains(&name.as_str()));
    Settings::load(file, variables, flags)
}

impl Setup {
    /// Reads the settings of a role. Mistakes are collected until `finish`. Settings of other roles are not checked.
    pub fn read(settings: &Settings, role: ProcessRole, now: Millis) -> Self {
        let mut signup = settings.part("signup");
        let mut log = settings.part("log");
        let mut setup = Self {
            role,
            stores: Stores::Embedded { folder: PathBuf::new() },
            keys: PathBuf::new(),
            listen: signup.parse("listen", "127.0.0.1:8080"),
            signup: signup_service::Config::default(),
            admin_listen: settings.part("admin").parse("listen", "127.0.0.1:9090"),
            worker: worker::Config::default(),
            messaging: messaging::Config::default(),
            operator: None,
            gateway: None,
            events: Vec::new(),
            log_format: log.parse("format", "text"),
            log_filter: log.text("filter", "info"),
        };
        (setup.stores, setup.keys) = stores::read(settings, role);
        if role.has_signup() {
            setup.signup = signup_service::Config::read(&mut signup);
        } else {
            settings.skip("signup");
        }
        if role.has_worker() {
            setup.worker = worker::Config::read(&mut settings.part("worker"));
            let mut root = settings.part("");
            setup.events = root.list("event").iter_mut().filter_map(|part| event::read(part, now)).collect();
        } else {
            settings.skip("worker");
            settings.skip("event");
        }
        if role.has_ledger() {
            setup.messaging = messaging::Config::read(&mut settings.part("messaging"));
        } else {
            settings.skip("messaging");
        }
        if role.has_operator() {
            setup.operator = read_operator(&mut settings.part("operator"), role);
            if let Some(operator) = &mut setup.operator {
                operator.config.webhook_key =
                    setup.messaging.webhook.as_ref().map(|webhook| webhook.key.clone());
            }
        } else {
            settings.skip("operator");
        }
        // Beside other parts, a gateway without settings is left out: applicants reach the signup service without one.
        if role == ProcessRole::Gateway || (role.has_gateway() && settings.part("").has("gateway")) {
            setup.gateway = Some(gateway::Config::read(&mut settings.part("gateway")));
        } else {
            settings.skip("gateway");
        }
        setup
    }
}

/// The settings of the operator API. Without a token it would refuse every request: beside other parts it is then left out, and
/// as a single role it is a mistake.
fn read_operator(part: &mut Part<'_>, role: ProcessRole) -> Option<OperatorSettings> {
    let operator = OperatorSettings {
        listen: part.parse("listen", "127.0.0.1:8090"),
        config: operator::Config::read(part),
    };
    let has_no_token = operator.config.tokens.is_empty();
    if has_no_token && role == ProcessRole::Operator && !part.has("token") {
        part.mistake("token", "is missing: `firstcome keys token NAME` creates one");
    }
    (!has_no_token).then_some(operator)
}
