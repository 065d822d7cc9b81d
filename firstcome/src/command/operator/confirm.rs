//! Confirmation of a change that cannot be undone.

use std::io::{IsTerminal as _, Write as _};

use crate::command::error::{CommandError, FAILED};

/// Asks for confirmation on the terminal. Without a terminal, `--yes` is required.
pub(super) fn confirm(yes: bool, effect: &str) -> Result<(), CommandError> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(CommandError::usage(format!("{effect} Confirm with --yes.")));
    }
    let mut stderr = std::io::stderr().lock();
    let _ = write!(stderr, "{effect} Continue? [y/N] ").and_then(|()| stderr.flush());
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    match line.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(CommandError::Exit { code: FAILED, message: "aborted; nothing was changed".into() }),
    }
}
