//! Output of the commands to the terminal. Log lines are written by `tracing` instead.

use std::io::Write as _;

/// Writes a line to standard output. A closed pipe is ignored: the command still has work to do.
pub(crate) fn print(line: impl AsRef<str>) {
    let _ = writeln!(std::io::stdout().lock(), "{}", line.as_ref());
}

/// Writes a line to standard error.
pub(crate) fn print_error(line: impl AsRef<str>) {
    let _ = writeln!(std::io::stderr().lock(), "{}", line.as_ref());
}
