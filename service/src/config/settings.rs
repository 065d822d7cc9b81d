//! Merging the sources of the settings, and ending the reading with all mistakes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use super::part::Part;
use super::print::PrintedSettings;
use super::state::{Mistakes, Origin, RawValue, ReadState, is_below};
use super::{file, suggest};

/// The prefix of the environment variables. A double underscore stands for the dot.
pub const ENV_PREFIX: &str = "FIRSTCOME_";

/// The merged settings, and what has been read of them.
#[derive(Debug)]
pub struct Settings {
    state: RefCell<ReadState>,
}

impl Settings {
    /// Merges the file, the variables that start with [`ENV_PREFIX`], and flags such as `("signup.listen", "0.0.0.0:80")`.
    /// The caller must leave out variables that are not settings. Fails only if the file cannot be read as TOML.
    pub fn load(
        file: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
        flags: &[(String, String)],
    ) -> Result<Self, Mistakes> {
        let mut values = file.map_or_else(|| Ok(BTreeMap::new()), file::read)?;
        for (name, text) in env {
            if let Some(rest) = name.strip_prefix(ENV_PREFIX) {
                let path = rest.to_lowercase().replace("__", ".");
                values.insert(path, RawValue { text, origin: Origin::Env(name) });
            }
        }
        for (key, text) in flags {
            values.insert(key.clone(), RawValue { text: text.clone(), origin: Origin::Flag(key.clone()) });
        }
        Ok(Self { state: RefCell::new(ReadState { values, ..ReadState::default() }) })
    }

    /// The settings below a path such as `signup`; the empty path is the root.
    pub fn part(&self, path: &str) -> Part<'_> {
        Part::new(&self.state, path.to_owned())
    }

    /// Skips the settings below a path: those of another role, which are not checked here.
    pub fn skip(&self, path: &str) {
        self.state.borrow_mut().skipped.push(path.to_owned());
    }

    /// Every key that was read, with value and origin, as TOML. Secrets are not shown.
    pub fn print(&self) -> PrintedSettings {
        PrintedSettings::new(&self.state.borrow().read)
    }

    /// Ends the reading. Returns what was read, or the mistakes of all parts, among them keys that no part has read.
    pub fn finish(&mut self) -> Result<PrintedSettings, Mistakes> {
        let state = self.state.get_mut();
        let mut lines = std::mem::take(&mut state.mistakes);
        lines.extend(unknown_keys(state));
        if lines.is_empty() { Ok(self.print()) } else { Err(Mistakes(lines)) }
    }
}

fn unknown_keys(state: &ReadState) -> Vec<String> {
    let unread = state.values.iter().filter(|(path, _)| !state.read.contains_key(*path));
    let unknown = unread.filter(|(path, _)| !state.skipped.iter().any(|skipped| is_below(path, skipped)));
    unknown
        .map(|(path, value)| {
            let hint = suggest::nearest(path, state.read.keys()).unwrap_or_default();
            format!("unknown key {path}{hint} ({})", value.origin)
        })
        .collect()
}
