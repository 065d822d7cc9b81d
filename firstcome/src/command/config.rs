//! `firstcome config check` and `config print`.

use clap::Subcommand;

use super::error::CommandError;
use super::settings::RoleArgs;
use crate::output::print;

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Reports all mistakes in the settings.
    Check(RoleArgs),
    /// Prints every setting with its value and its origin. Secrets are hidden.
    Print(RoleArgs),
}

/// Runs the command.
pub(super) fn run(command: &ConfigCommand) -> Result<(), CommandError> {
    let (ConfigCommand::Check(args) | ConfigCommand::Print(args)) = command;
    let (_, printed) = args.read(service::clock::system_now())?;
    match command {
        ConfigCommand::Check(_) => print("the settings are valid"),
        ConfigCommand::Print(_) => print(printed.to_string()),
    }
    Ok(())
}
