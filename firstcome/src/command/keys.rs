//! `firstcome keys`: the key file that processes share, and tokens for the operator API.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::error::CommandError;
use crate::output::print;

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Writes a new key to a new file that only its owner can read.
    Make {
        /// The file; it must not exist.
        file: PathBuf,
    },
    /// Prints the public keys by which gateways, and services of the shop, verify passes: a JWKS.
    Passes {
        /// The key file.
        file: PathBuf,
    },
    /// Creates a token for the operator API and prints it once, with the lines for the settings file.
    Token {
        /// The operator's name, as recorded in the audit.
        #[arg(value_parser = token_name)]
        name: String,
        /// The rights of the token: a viewer reads, an operator also makes changes.
        #[arg(long, default_value = "operator")]
        role: operator::Role,
    },
    /// Creates the token with which the shop reports the results of passes, and prints it once, with its setting.
    ReportToken,
}

/// Runs the command.
pub(super) fn run(command: KeysCommand) -> Result<(), CommandError> {
    match command {
        KeysCommand::Make { file } => make(&file),
        KeysCommand::Passes { file } => {
            print(domain::PassVerifier::of(&crate::keys::read(&file)?).to_jwks());
            Ok(())
        }
        KeysCommand::Token { name, role } => {
            print_token(&name, role);
            Ok(())
        }
        KeysCommand::ReportToken => {
            print_report_token();
            Ok(())
        }
    }
}

fn make(file: &Path) -> Result<(), CommandError> {
    crate::keys::make(file, &service::entropy::system())?;
    print(format!("created {}: copy it to every process, and protect it like the data", file.display()));
    Ok(())
}

/// Prints a new token; the settings hold only its hash.
fn print_token(name: &str, role: operator::Role) {
    let token = operator::make_token(&service::entropy::system());
    print(format!(
        "The token of {name}, shown only once:\n\n  {token}\n\nFor the settings file of the operator API:\n"
    ));
    let name = toml::Value::from(name);
    print(format!(
        "[[operator.token]]\nname = {name}\nrole = \"{}\"\nhash = \"{}\"",
        role.as_str(),
        operator::hash_of(&token)
    ));
}

/// Prints a new token of the shop; the settings hold only its hash.
fn print_report_token() {
    let token = operator::make_token(&service::entropy::system());
    print(format!(
        "The token of the shop, shown only once:\n\n  {token}\n\nFor the settings of the signup service:\n"
    ));
    print(format!("[signup]\nreport_token_hash = \"{}\"", operator::hash_of(&token)));
}

fn token_name(text: &str) -> Result<String, String> {
    let is_valid = (1..=40).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if is_valid { Ok(text.to_owned()) } else { Err("a name has 1 to 40 characters".into()) }
}
