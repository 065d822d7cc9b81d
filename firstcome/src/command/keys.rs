//! `firstcome keys make`.

use std::path::Path;

use super::Failed;
use crate::said::say;

pub(super) fn make(file: &Path) -> Result<(), Failed> {
    crate::keys::make(file, &service::chance::system())?;
    say(format!("made {}: give it to every process, and keep it as safe as the data", file.display()));
    Ok(())
}
