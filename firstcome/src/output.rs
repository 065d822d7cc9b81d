//! What the program says to the person who started it. Log lines go elsewhere, by `tracing`.

use std::io::Write as _;

/// Writes a line to standard output. A reader who went away is not an error: the program has other work.
pub(crate) fn say(line: impl AsRef<str>) {
    let _ = writeln!(std::io::stdout().lock(), "{}", line.as_ref());
}

/// Writes a line to standard error.
pub(crate) fn complain(line: impl AsRef<str>) {
    let _ = writeln!(std::io::stderr().lock(), "{}", line.as_ref());
}
