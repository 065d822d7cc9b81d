//! `firstcome config check` and `config print`.

use service::config::PrintedSettings;

use super::{Failed, Serve};
use crate::output::say;
use crate::setup::{Setup, load};

pub(super) fn check(args: &Serve) -> Result<(), Failed> {
    read(args)?;
    say("the settings are fine");
    Ok(())
}

pub(super) fn print(args: &Serve) -> Result<(), Failed> {
    say(read(args)?.to_string());
    Ok(())
}

fn read(args: &Serve) -> Result<PrintedSettings, Failed> {
    let mut settings = load(args.settings.config.as_deref(), &args.settings.set).map_err(Failed::Settings)?;
    Setup::read(&settings, args.role, service::clock::system()());
    settings.finish().map_err(Failed::Settings)
}
