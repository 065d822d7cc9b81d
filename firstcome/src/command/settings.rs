//! The arguments that name settings, shared by all commands that read them.

use std::path::PathBuf;

use clap::Args;
use domain::Millis;
use service::config::{Mistakes, PrintedSettings};

use super::error::CommandError;
use crate::setup::{ProcessRole, Setup, load};

#[derive(Debug, Args)]
pub(super) struct SettingsArgs {
    /// The settings file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A setting that overrides file and environment: `--set signup.listen=0.0.0.0:80`. May be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(super) set: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub(super) struct RoleArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// The parts that run in this process.
    #[arg(long, value_enum, default_value = "all")]
    pub(super) role: ProcessRole,
}

impl SettingsArgs {
    /// The settings of a role; all mistakes are reported at once.
    pub(super) fn read(
        &self,
        role: ProcessRole,
        now: Millis,
    ) -> Result<(Setup, PrintedSettings), CommandError> {
        self.read_or_mistakes(role, now).map_err(CommandError::Settings)
    }

    fn read_or_mistakes(&self, role: ProcessRole, now: Millis) -> Result<(Setup, PrintedSettings), Mistakes> {
        let mut settings = load(self.config.as_deref(), &self.set)?;
        let setup = Setup::read(&settings, role, now);
        Ok((setup, settings.finish()?))
    }
}

impl RoleArgs {
    /// The settings of the role.
    pub(super) fn read(&self, now: Millis) -> Result<(Setup, PrintedSettings), CommandError> {
        self.settings.read(self.role, now)
    }

    /// The same; its mistakes do not end the command.
    pub(super) fn read_again(&self, now: Millis) -> Result<(Setup, PrintedSettings), Mistakes> {
        self.settings.read_or_mistakes(self.role, now)
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}
