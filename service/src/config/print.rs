//! The settings that count, as a TOML file that would give the same ones: what to show when somebody asks why.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use super::Known;

/// Every key with its value and origin. Secrets read `(secret)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Printed(String);

impl Printed {
    pub(super) fn new(known: &BTreeMap<String, Known>) -> Self {
        let mut keys: Vec<_> = known.iter().map(|(path, known)| (split(path), known)).collect();
        keys.sort_by(|(a, _), (b, _)| order(a).cmp(&order(b)));
        let mut text = String::new();
        let mut section = "";
        for ((parent, name), known) in keys {
            if parent != section {
                section = parent;
                let gap = if text.is_empty() { "" } else { "\n" };
                let _ = writeln!(text, "{gap}{}", heading(parent));
            }
            let _ = match &known.shown {
                Some(value) => writeln!(text, "{name} = {value} # {}", known.origin),
                None => writeln!(text, "# {name} is not set"),
            };
        }
        Self(text)
    }
}

impl fmt::Display for Printed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

/// Keys stand below their section's heading, before its subsections; indexes are in numerical order.
fn order<'a>((parent, name): &(&'a str, &'a str)) -> (Vec<(usize, &'a str)>, &'a str) {
    let step = |step: &'a str| (step.parse::<usize>().unwrap_or(0), step);
    (parent.split('.').map(step).collect(), *name)
}

/// `[signup]`; `[[event]]` for the element of a list; `[event.title]` for a table in it.
fn heading(parent: &str) -> String {
    let is_index = |step: &&str| step.bytes().all(|byte| byte.is_ascii_digit());
    let steps: Vec<&str> = parent.split('.').filter(|step| !is_index(step)).collect();
    let name = steps.join(".");
    let element = parent.rsplit('.').next().is_some_and(|last| is_index(&last));
    if element { format!("[[{name}]]") } else { format!("[{name}]") }
}
