//! The effective settings as a TOML file that would result in the same ones, with the origin of every value.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use super::state::ReadKey;

/// Every key with its value and origin. Secrets read `(secret)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrintedSettings(String);

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
        Self(text)
    }
}

impl fmt::Display for PrintedSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
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
