//! Where the stores are, and which parts of the program run in this process.

use std::fmt;
use std::path::PathBuf;

use service::Settings;
use service::config::Part;

/// Connections to the ledger that a process opens at most.
const LEDGER_CONNECTIONS: i64 = 16;

/// Which parts run in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Everything: the newcomer's default, and the only one on embedded stores.
    All,
    /// The signup service: page, apply, status.
    Signup,
    /// Admission, order dispatchers, steward and relay.
    Worker,
    /// The operator console.
    Operator,
    /// The gateway.
    Gateway,
}

impl Role {
    /// Whether the signup service runs here.
    pub fn has_signup(self) -> bool {
        matches!(self, Self::All | Self::Signup)
    }

    /// Whether the worker runs here.
    pub fn has_worker(self) -> bool {
        matches!(self, Self::All | Self::Worker)
    }

    /// Whether the operator console runs here, if anybody may come in.
    pub fn has_operator(self) -> bool {
        matches!(self, Self::All | Self::Operator)
    }

    /// Whether the gateway runs here, if it has settings.
    pub fn has_gateway(self) -> bool {
        matches!(self, Self::All | Self::Gateway)
    }

    /// Whether something here has a path to the queue.
    pub fn has_queue(self) -> bool {
        self.has_keys() || self.has_gateway()
    }

    /// Whether something here makes or checks what is signed or sealed.
    pub fn has_keys(self) -> bool {
        self.has_signup() || self.has_worker()
    }

    /// Whether something here has a path to the ledger.
    pub fn has_ledger(self) -> bool {
        self.has_worker() || self.has_operator()
    }
}

/// Where queue and ledger are.
#[derive(Debug, Clone)]
pub enum Stores {
    /// Files of this one process.
    Embedded {
        /// The folder that holds them.
        folder: PathBuf,
    },
    /// Servers that many processes share.
    Servers(Servers),
}

/// The addresses of the stores' servers. They may hold passwords, so they are never shown.
#[derive(Clone)]
pub struct Servers {
    /// The queue, `redis://…`; empty for a role that has no path to it.
    pub queue: String,
    /// The ledger, `postgres://…`; empty for a role that has no path to it.
    pub ledger: String,
    /// Connections to the ledger at most.
    pub ledger_connections: u32,
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Servers(…)")
    }
}

/// Reads where the stores are, and where the key file is.
pub(super) fn read(settings: &Settings, role: Role) -> (Stores, PathBuf) {
    let folder = PathBuf::from(settings.part("data").text("folder", "data"));
    let keys =
        settings.part("keys").optional_text("file").map_or_else(|| folder.join("keys.toml"), PathBuf::from);
    let queue = part_of(settings, "queue", role.has_queue()).and_then(|mut part| address(&mut part));
    let (ledger, ledger_connections) = match part_of(settings, "ledger", role.has_ledger()) {
        Some(mut part) => {
            let connections = part.integer("connections", 2..=200, LEDGER_CONNECTIONS);
            (address(&mut part), u32::try_from(connections).unwrap_or(2))
        }
        None => (None, 0),
    };
    let mut first = settings.part(if role.has_queue() { "queue" } else { "ledger" });
    let all_given = (queue.is_some(), ledger.is_some()) == (role.has_queue(), role.has_ledger());
    let stores = match (queue, ledger) {
        (None, None) if role == Role::All => Stores::Embedded { folder },
        (None, None) => {
            first.mistake(
                "url",
                "is missing: a role of its own needs servers, since the embedded stores live in one process",
            );
            Stores::Embedded { folder }
        }
        (queue, ledger) if all_given => Stores::Servers(Servers {
            queue: queue.unwrap_or_default(),
            ledger: ledger.unwrap_or_default(),
            ledger_connections,
        }),
        _ => {
            first.mistake("url", "goes together with ledger.url: both on servers, or both embedded");
            Stores::Embedded { folder }
        }
    };
    (stores, keys)
}

/// A store's part of the settings, unless it is no business of this role.
fn part_of<'a>(settings: &'a Settings, name: &str, ours: bool) -> Option<Part<'a>> {
    if !ours {
        settings.skip(name);
    }
    ours.then(|| settings.part(name))
}

/// An address given as it is, or by a file that holds nothing else, so that no password stands in the settings.
fn address(part: &mut Part<'_>) -> Option<String> {
    let (given, file) = (part.secret_text("url"), part.secret_file("url_file"));
    match (given, file) {
        (Some(_), Some(_)) => {
            part.mistake("url_file", "and url are both given: one is enough");
            None
        }
        (None, Some(file)) => match std::fs::read_to_string(&file) {
            Ok(text) => Some(text.trim().to_owned()),
            Err(error) => {
                part.mistake("url_file", &format!("cannot be read: {error}"));
                None
            }
        },
        (given, None) => given,
    }
}
