//! The stores, and the parts of the program that run in this process.

use std::fmt;
use std::path::{Path, PathBuf};

use domain::NO_JOURNAL;
use service::Settings;
use service::config::Part;

/// The maximum number of connections of a process to the ledger.
const LEDGER_CONNECTIONS: i64 = 16;

/// The parts that run in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ProcessRole {
    /// All parts: the default, and the only choice with embedded stores.
    All,
    /// The signup service: pages, applications and their status.
    Signup,
    /// Admission, order dispatch, inbox and projector.
    Worker,
    /// The operator console.
    Operator,
    /// The gateway.
    Gateway,
}

impl ProcessRole {
    /// Whether the signup service runs here.
    pub fn has_signup(self) -> bool {
        matches!(self, Self::All | Self::Signup)
    }

    /// Whether the worker runs here.
    pub fn has_worker(self) -> bool {
        matches!(self, Self::All | Self::Worker)
    }

    /// Whether the operator API runs here, if it has a token.
    pub fn has_operator(self) -> bool {
        matches!(self, Self::All | Self::Operator)
    }

    /// Whether the gateway runs here, if it has settings.
    pub fn has_gateway(self) -> bool {
        matches!(self, Self::All | Self::Gateway)
    }

    /// Whether a part of this role uses the queue.
    pub fn has_queue(self) -> bool {
        self.has_keys() || self.has_gateway()
    }

    /// Whether a part of this role uses the keys.
    pub fn has_keys(self) -> bool {
        self.has_signup() || self.has_worker()
    }

    /// Whether a part of this role uses the ledger.
    pub fn has_ledger(self) -> bool {
        self.has_worker() || self.has_operator()
    }
}

/// The stores of queue and ledger.
#[derive(Debug, Clone)]
pub enum Stores {
    /// Files that a single process uses.
    Embedded {
        /// The folder of the files.
        folder: PathBuf,
    },
    /// Servers that several processes share.
    External(ExternalStores),
}

/// The addresses of the servers. They may contain passwords, so they are never printed.
#[derive(Clone)]
pub struct ExternalStores {
    /// The queue, `redis://…`; empty for a role that does not use it.
    pub queue: String,
    /// The ledger, `postgres://…`; empty for a role that does not use it.
    pub ledger: String,
    /// The maximum number of connections to the ledger.
    pub ledger_connections: u32,
    /// The folder of the signup service's journal; `None` without a journal.
    pub journal: Option<PathBuf>,
}

impl fmt::Debug for ExternalStores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExternalStores(…)")
    }
}

/// Reads the stores and the path of the key file.
pub(super) fn read(settings: &Settings, role: ProcessRole) -> (Stores, PathBuf) {
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
    let journal = journal(settings, role, &folder);
    let mut first = settings.part(if role.has_queue() { "queue" } else { "ledger" });
    let has_all = (queue.is_some(), ledger.is_some()) == (role.has_queue(), role.has_ledger());
    let stores = match (queue, ledger) {
        (None, None) if role == ProcessRole::All => {
            if settings.part("signup").has("journal") {
                settings.part("signup").mistake("journal", "needs queue.url: the embedded queue is one file");
            }
            Stores::Embedded { folder }
        }
        (None, None) => {
            first.mistake(
                "url",
                "is missing: a single role needs servers, since only one process can use the embedded stores",
            );
            Stores::Embedded { folder }
        }
        (queue, ledger) if has_all => Stores::External(ExternalStores {
            queue: queue.unwrap_or_default(),
            ledger: ledger.unwrap_or_default(),
            ledger_connections,
            journal,
        }),
        _ => {
            first.mistake("url", "goes together with ledger.url: set both, or none for embedded stores");
            Stores::Embedded { folder }
        }
    };
    (stores, keys)
}

/// The folder of the journal, unless it is switched off.
fn journal(settings: &Settings, role: ProcessRole, folder: &Path) -> Option<PathBuf> {
    if !role.has_signup() {
        return None;
    }
    match settings.part("signup").optional_text("journal") {
        Some(text) if text == NO_JOURNAL => None,
        Some(text) => Some(text.into()),
        None => Some(folder.join("journal")),
    }
}

/// The settings of a store, if this role uses it.
fn part_of<'a>(settings: &'a Settings, name: &str, is_used: bool) -> Option<Part<'a>> {
    if !is_used {
        settings.skip(name);
    }
    is_used.then(|| settings.part(name))
}

/// The address of a store: as text, or in a file of its own that keeps the password out of the settings.
fn address(part: &mut Part<'_>) -> Option<String> {
    let url = part.secret_text("url");
    let file = part.secret_file("url_file");
    match (url, file) {
        (Some(_), Some(_)) => {
            part.mistake("url_file", "and url are both set: set only one");
            None
        }
        (None, Some(file)) => match std::fs::read_to_string(&file) {
            Ok(text) => Some(text.trim().to_owned()),
            Err(error) => {
                part.mistake("url_file", &format!("cannot be read: {error}"));
                None
            }
        },
        (url, None) => url,
    }
}
