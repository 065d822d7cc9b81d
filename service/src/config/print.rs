//! The effective settings as a TOML file that would result in the same ones, with the origin of every value.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use super::state::ReadKey;

/// Every key with its value and origin. Secrets read `(secret)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrintedSettings {
    /// The value of each key in TOML; `None` if it is not set.
    values: BTreeMap<String, Option<String>>,
    text: String,
}

/// A setting that differs between two readings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingChange {
    /// Its key.
    pub key: String,
    /// Its value in TOML before; `None` if it was not set.
    pub before: Option<String>,
    /// The same after.
    pub after: Option<String>,
}

impl fmt::Display for SettingChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
        write!(f, "{}: {} -> {}", self.key, text(&self.before), text(&self.after))
    }
}

impl PrintedSettings {
    pub(super) fn new(read: &BTreeMap<String, ReadKey>) -> Self {
        let mut keys: Vec<_> = read.iter().map(|(path, key)| (split(path), key)).collect();
        keys.sort_by(|(a, _), (b, _)| order(a).cmp(&order(b)));
        let mut text = String::new();
        let mut section = "";
        for ((parent, name), key) in keys {
            if parent != section {
                section = parent;
                let gap = if text.is_empty() { "" } else { "\n" };
                let _ = writeln!(text, "{gap}{}", heading(parent));
            }
            let _ = match &key.toml {
                Some(value) => writeln!(text, "{name} = {value} # {}", key.origin),
                None => writeln!(text, "# {name} is not set"),
            };
        }
        let values = read.iter().map(|(path, key)| (path.clone(), key.toml.clone())).collect();
        Self { values, text }
    }

    /// What differs in later settings. A secret is not compared.
    pub fn changes_to(&self, later: &Self) -> Vec<SettingChange> {
        let keys: BTreeSet<&String> = self.values.keys().chain(later.values.keys()).collect();
        let value = |printed: &Self, key: &str| printed.values.get(key).cloned().flatten();
        let change = |key: &String| {
            let (before, after) = (value(self, key), value(later, key));
            (before != after).then(|| SettingChange { key: key.clone(), before, after })
        };
        keys.into_iter().filter_map(change).collect()
    }
}

impl fmt::Display for PrintedSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

/// The sort key: keys stand below the heading of their section, before its subsections; indexes are in numerical order.
fn order<'a>((parent, name): &(&'a str, &'a str)) -> (Vec<(usize, &'a str)>, &'a str) {
    let step = |step: &'a str| (step.parse::<usize>().unwrap_or(0), step);
    (parent.split('.').map(step).collect(), *name)
}

/// `[signup]`; `[[event]]` for the element of a list; `[event.title]` for a table in it.
fn heading(parent: &str) -> String {
    let is_index = |step: &&str| step.bytes().all(|byte| byte.is_ascii_digit());
    let steps: Vec<&str> = parent.split('.').filter(|step| !is_index(step)).collect();
    let name = steps.join(".");
    let is_element = parent.rsplit('.').next().is_some_and(|last| is_index(&last));
    if is_element { format!("[[{name}]]") } else { format!("[{name}]") }
}
