//! `firstcome config check` and `config print`.

use super::{Failed, SettingsArgs};
use crate::said::say;
use crate::setup::{Setup, load};

pub(super) fn check(args: &SettingsArgs) -> Result<(), Failed> {
    let mut settings = load(args.config.as_deref(), &args.set).map_err(Failed::Settings)?;
    Setup::read(&settings, service::clock::system()());
    settings.finish().map_err(Failed::Settings)?;
    say("the settings are fine");
    Ok(())
}

pub(super) fn print(args: &SettingsArgs) -> Result<(), Failed> {
    let mut settings = load(args.config.as_deref(), &args.set).map_err(Failed::Settings)?;
    Setup::read(&settings, service::clock::system()());
    say(settings.finish().map_err(Failed::Settings)?.to_string());
    Ok(())
}
