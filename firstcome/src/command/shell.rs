//! What a shell and `man` know of the commands.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Command};
use clap_complete::Shell;

use super::error::CommandError;
use crate::output::print;

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// The folder, such as `/usr/local/share/man/man1`. It must exist.
    folder: PathBuf,
}

/// Prints the completions of the commands for a shell.
#[expect(clippy::unnecessary_wraps, reason = "as all commands")]
pub(super) fn completions(args: &CompletionsArgs, mut commands: Command) -> Result<(), CommandError> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut commands, "firstcome", &mut text);
    // A closed pipe is ignored, as for all output.
    let _ = std::io::stdout().lock().write_all(&text);
    Ok(())
}

/// Writes a page for each command, `firstcome-event-create.1` and so on.
pub(super) fn man(args: &ManArgs, commands: Command) -> Result<(), CommandError> {
    clap_mangen::generate_to(commands, &args.folder)
        .with_context(|| format!("cannot write the manual pages into {}", args.folder.display()))?;
    print(format!("the manual pages are in {}", args.folder.display()));
    Ok(())
}
