//! `firstcome keys`: the key file that processes share, and tokens for the operator console.

use std::path::Path;

use super::Failed;
use crate::output::say;

pub(super) fn make(file: &Path) -> Result<(), Failed> {
    crate::keys::make(file, &service::entropy::system())?;
    say(format!("made {}: give it to every process, and keep it as safe as the data", file.display()));
    Ok(())
}

/// Makes a token and shows it this once; the settings keep its hash only.
pub(super) fn token(name: &str, role: operator::Role) {
    let token = operator::make_token(&service::entropy::system());
    say(format!(
        "The token of {name}, shown this once:\n\n  {token}\n\nFor the operator API's settings file:\n"
    ));
    let name = toml::Value::from(name);
    say(format!(
        "[[operator.token]]\nname = {name}\nrole = \"{}\"\nhash = \"{}\"",
        role.as_str(),
        operator::hash_of(&token)
    ));
}
