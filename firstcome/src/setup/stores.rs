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
    /// The control room.
    Operator,
    /// The door.
    Gateway,
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

    /// Whether the control room runs here, if anybody may come in.
    pub fn has_room(self) -> bool {
        matches!(self, Self::All | Self::Operator)
    }

    /// Whether the door runs here, if it has settings.
    pub fn has_door(self) -> bool {
        matches!(self, Self::All | Self::Gateway)
    }

    /// Whether something here has a path to the line.
    pub fn has_line(self) -> bool {
        self.has_keys() || self.has_door()
    }

    /// Whether something here makes or checks what is signed or sealed.
    pub fn has_keys(self) -> bool {
        self.has_desk() || self.has_worker()
    }

    /// Whether something here has a path to the book.
    pub fn has_book(self) -> bool {
        self.has_worker() || self.has_room()
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
    /// The line, `redis://…`; empty for a role that has no path to it.
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
    let line = part_of(settings, "line", role.has_line()).and_then(|mut part| address(&mut part));
    let (book, book_connections) = match part_of(settings, "book", role.has_book()) {
        Some(mut part) => {
            let connections = part.integer("connections", 2..=200, BOOK_CONNECTIONS);
            (address(&mut part), u32::try_from(connections).unwrap_or(2))
        }
        None => (None, 0),
    };
    let mut first = settings.part(if role.has_line() { "line" } else { "book" });
    let all_given = (line.is_some(), book.is_some()) == (role.has_line(), role.has_book());
    let stores = match (line, book) {
        (None, None) if role == Role::All => Stores::Embedded { folder },
        (None, None) => {
            first.mistake(
                "url",
                "is missing: a role of its own needs servers, since the embedded stores live in one process",
            );
            Stores::Embedded { folder }
        }
        (line, book) if all_given => Stores::Servers(Servers {
            line: line.unwrap_or_default(),
            book: book.unwrap_or_default(),
            book_connections,
        }),
        _ => {
            first.mistake("url", "goes together with book.url: both on servers, or both embedded");
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
