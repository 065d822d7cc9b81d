//! Where the stores are, and which parts of the program run in this process.

use std::fmt;
use std::path::PathBuf;

use service::Settings;
use service::config::Part;

/// Connections to the book that a process opens at most.
const BOOK_CONNECTIONS: i64 = 16;

/// Which parts run in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Everything: the newcomer's default, and the only one on embedded stores.
    All,
    /// The desk: page, apply, status.
    Signup,
    /// The mover, order makers, steward and relay.
    Worker,
}

impl Role {
    /// Whether the desk runs here.
    pub fn has_desk(self) -> bool {
        matches!(self, Self::All | Self::Signup)
    }

    /// Whether the worker runs here.
    pub fn has_worker(self) -> bool {
        matches!(self, Self::All | Self::Worker)
    }
}

/// Where line and book are.
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
    /// The line, `redis://…`.
    pub line: String,
    /// The book, `postgres://…`; empty for a role that has no path to it.
    pub book: String,
    /// Connections to the book at most.
    pub book_connections: u32,
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
    let mut line_part = settings.part("line");
    let line = address(&mut line_part);
    let book = role.has_worker().then(|| {
        let mut part = settings.part("book");
        let connections = part.integer("connections", 2..=200, BOOK_CONNECTIONS);
        (address(&mut part), u32::try_from(connections).unwrap_or(2))
    });
    let stores = match (line, book) {
        (Some(line), None) => Stores::Servers(Servers { line, book: String::new(), book_connections: 0 }),
        (Some(line), Some((Some(book), book_connections))) => {
            Stores::Servers(Servers { line, book, book_connections })
        }
        (None, Some((None, _))) if role == Role::All => Stores::Embedded { folder },
        (None, None | Some((None, _))) => {
            line_part.mistake(
                "url",
                "is missing: a role of its own needs servers, since the embedded stores live in one process",
            );
            Stores::Embedded { folder }
        }
        (Some(_), Some((None, _))) | (None, Some((Some(_), _))) => {
            line_part.mistake("url", "goes together with book.url: both on servers, or both embedded");
            Stores::Embedded { folder }
        }
    };
    (stores, keys)
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
