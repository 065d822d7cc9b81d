//! The settings of a process: one TOML file, then the environment, then flags; later wins, and the origin of every value
//! is kept for the messages. All mistakes are told together. What a setting means is the business of the part that reads it.

mod duration;
mod file;
mod part;
mod print;
mod suggest;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

pub use part::{Part, parse_time};
pub use print::Printed;

/// What every environment variable of ours starts with; a double underscore stands for the dot.
pub const ENV_PREFIX: &str = "FIRSTCOME_";

/// Where a value was given.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    File { name: String, line: usize },
    Env(String),
    Flag(String),
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, line } => write!(f, "{name}:{line}"),
            Self::Env(name) => f.write_str(name),
            Self::Flag(key) => write!(f, "flag {key}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value as it was given. Everything is text until a part reads it: the environment and flags know nothing else.
#[derive(Debug, Clone)]
struct Given {
    text: String,
    origin: Origin,
}

/// A key that a part asked for, with the value that counts.
#[derive(Debug, Clone)]
struct Known {
    /// As TOML; `None` if it is optional and was not given.
    shown: Option<String>,
    origin: Origin,
}

/// Everything that is wrong with the settings, one line each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes(Vec<String>);

impl Mistakes {
    /// The lines.
    pub fn lines(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

#[derive(Debug, Default)]
struct State {
    /// By dotted path; the elements of a list have their index, from 0, as one step of it.
    given: BTreeMap<String, Given>,
    known: BTreeMap<String, Known>,
    skipped: Vec<String>,
    mistakes: Vec<String>,
}

/// The merged settings, and what has been read of them.
#[derive(Debug)]
pub struct Settings {
    state: RefCell<State>,
}

impl Settings {
    /// Merges the file, the variables that start with [`ENV_PREFIX`], and flags such as `("signup.listen", "0.0.0.0:80")`.
    /// Variables that are no settings must be taken out by the caller. Fails only if the file cannot be read as TOML.
    pub fn load(
        file: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
        flags: &[(String, String)],
    ) -> Result<Self, Mistakes> {
        let mut given = file.map_or_else(|| Ok(BTreeMap::new()), file::read)?;
        for (name, text) in env {
            if let Some(rest) = name.strip_prefix(ENV_PREFIX) {
                let path = rest.to_lowercase().replace("__", ".");
                given.insert(path, Given { text, origin: Origin::Env(name) });
            }
        }
        for (key, text) in flags {
            given.insert(key.clone(), Given { text: text.clone(), origin: Origin::Flag(key.clone()) });
        }
        Ok(Self { state: RefCell::new(State { given, ..State::default() }) })
    }

    /// The settings below a path such as `signup`; the empty path is the root.
    pub fn part(&self, path: &str) -> Part<'_> {
        Part::new(self, path.to_owned())
    }

    /// Leaves out the settings below a path: another role's, which are not judged here.
    pub fn skip(&self, path: &str) {
        self.state.borrow_mut().skipped.push(path.to_owned());
    }

    /// Every key that was read, with value and origin, as TOML. Secrets are not shown.
    pub fn print(&self) -> Printed {
        Printed::new(&self.state.borrow().known)
    }

    /// Ends the reading: all mistakes of all parts, keys that nobody asked for among them, or what was read.
    pub fn finish(&mut self) -> Result<Printed, Mistakes> {
        let state = self.state.get_mut();
        let mut lines = std::mem::take(&mut state.mistakes);
        lines.extend(state.unknown());
        if lines.is_empty() { Ok(self.print()) } else { Err(Mistakes(lines)) }
    }
}

impl State {
    fn unknown(&self) -> Vec<String> {
        let unasked = self.given.iter().filter(|(path, _)| !self.known.contains_key(*path));
        let ours = unasked.filter(|(path, _)| !self.skipped.iter().any(|skipped| is_below(path, skipped)));
        ours.map(|(path, given)| {
            let hint = suggest::nearest(path, self.known.keys()).unwrap_or_default();
            format!("unknown key {path}{hint} ({})", given.origin)
        })
        .collect()
    }
}

fn is_below(path: &str, ancestor: &str) -> bool {
    path.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The path of a key in a part.
fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
