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
pub use stores::{Role, Servers, Stores};

/// Everything that a system is started with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Which parts run in this process.
    pub role: Role,
    /// Where queue and ledger are.
    pub stores: Stores,
    /// The file with the root secrets.
    pub keys: PathBuf,
    /// Where the page and its API are served.
    pub listen: SocketAddr,
    /// Where `/livez /readyz /metrics` are served.
    pub admin_listen: SocketAddr,
    /// The signup service's settings.
    pub signup: signup_service::Config,
    /// The worker's settings.
    pub worker: worker::Config,
    /// The operator console, if it runs here.
    pub operator: Option<OperatorSettings>,
    /// The gateway, if it runs here.
    pub gateway: Option<gateway::Config>,
    /// Events that are written into the ledger if they are new.
    pub events: Vec<EventSettings>,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Which log lines are written.
    pub log_filter: String,
}

/// The operator console's settings.
#[derive(Debug, Clone)]
pub struct OperatorSettings {
    /// Where its page and API are served.
    pub listen: SocketAddr,
    /// Who may come in, and by which names it is reached.
    pub config: operator::Config,
}

/// What commands take from the environment; these are no settings, although they begin alike.
pub(crate) const OF_COMMANDS: [&str; 3] =
    ["FIRSTCOME_OPERATOR_URL", "FIRSTCOME_TOKEN", "FIRSTCOME_TOKEN_FILE"];

/// Merges the settings; mistakes of the file's form come at once, all others with `finish`.
pub fn load(file: Option<&Path>, flags: &[(String, String)]) -> Result<Settings, Mistakes> {
    let settings = std::env::vars().filter(|(name, _)| !OF_COMMANDS.contains(&name.as_str()));
    Settings::load(file, settings, flags)
}

impl Setup {
    /// Reads the settings of a role; mistakes stay with them until they are finished. What only other roles read is not judged.
    pub fn read(settings: &Settings, role: Role, now: Millis) -> Self {
        let (mut signup, mut log) = (settings.part("signup"), settings.part("log"));
        let mut setup = Self {
            role,
            stores: Stores::Embedded { folder: PathBuf::new() },
            keys: PathBuf::new(),
            listen: signup.parse("listen", "127.0.0.1:8080"),
            signup: signup_service::Config::default(),
            admin_listen: settings.part("admin").parse("listen", "127.0.0.1:9090"),
            worker: worker::Config::default(),
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
            for others in ["worker", "event"] {
                settings.skip(others);
            }
        }
        if role.has_operator() {
            setup.operator = read_operator(&mut settings.part("operator"), role);
        } else {
            settings.skip("operator");
        }
        // Among other parts, a gateway that nobody mentioned is left out: the signup service can be reached without one.
        if role == Role::Gateway || (role.has_gateway() && settings.part("").has("gateway")) {
            setup.gateway = Some(gateway::Config::read(&mut settings.part("gateway")));
        } else {
            settings.skip("gateway");
        }
        setup
    }
}

/// Without a token nobody could come in: then an operator API of its own is a mistake, and one among other parts is left out.
fn read_operator(part: &mut Part<'_>, role: Role) -> Option<OperatorSettings> {
    let operator = OperatorSettings {
        listen: part.parse("listen", "127.0.0.1:8090"),
        config: operator::Config::read(part),
    };
    let nobody = operator.config.tokens.is_empty();
    if nobody && role == Role::Operator && !part.has("token") {
        part.mistake("token", "is missing: `firstcome keys token NAME` makes one");
    }
    (!nobody).then_some(operator)
}
