//! Merged values, the keys read so far, and the mistakes found.

use std::collections::BTreeMap;
use std::fmt;

/// Where a value was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
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

/// A value that was set. It is text until a part reads it: the environment and flags have no other type.
#[derive(Debug, Clone)]
pub(super) struct RawValue {
    pub(super) text: String,
    pub(super) origin: Origin,
}

/// A key that a part has read, with the effective value.
#[derive(Debug, Clone)]
pub(super) struct ReadKey {
    /// As TOML; `None` if the key is optional and not set.
    pub(super) toml: Option<String>,
    pub(super) origin: Origin,
}

/// Everything that is wrong with the settings, one line each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes(pub(super) Vec<String>);

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

/// The state of reading the settings.
#[derive(Debug, Default)]
pub(super) struct ReadState {
    /// By dotted path. The index of a list element, from 0, is one step of the path.
    pub(super) values: BTreeMap<String, RawValue>,
    pub(super) read: BTreeMap<String, ReadKey>,
    /// Paths below which unread keys are no mistake.
    pub(super) skipped: Vec<String>,
    pub(super) mistakes: Vec<String>,
}

/// Whether a path is `ancestor` or below it.
pub(super) fn is_below(path: &str, ancestor: &str) -> bool {
    path.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The path of a key in a part.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
