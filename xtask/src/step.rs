//! A step of a command: a program that runs in the workspace, with its duration, and advice if it fails.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// The folder of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or_else(|| unreachable!("xtask is a folder of the workspace"))
}

/// A program that runs in the workspace, without input.
pub(crate) fn program(name: &str, args: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(args).current_dir(root()).stdin(Stdio::null());
    command
}

/// `cargo` in the workspace.
pub(crate) fn cargo(args: &[&str]) -> Command {
    program("cargo", args)
}

/// Whether the program exists and succeeds; its output is discarded.
pub(crate) fn works(mut command: Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Runs a step. `advice` says what to do if it fails.
pub(crate) fn run(mut command: Command, advice: &str) -> Result<()> {
    let line = line_of(&command);
    println!("\n==> {line}");
    let clock = Stopwatch::start();
    let status = command.status().with_context(|| format!("cannot run {line}"))?;
    if !status.success() {
        bail!("`{line}` failed after {} ({status}).\n{advice}", clock.text());
    }
    println!("==> done in {}", clock.text());
    Ok(())
}

/// Measures the duration of a step.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "it measures real time")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn text(&self) -> String {
        let seconds = self.0.elapsed().as_secs_f64();
        if seconds < 60.0 {
            format!("{seconds:.1} s")
        } else {
            format!("{} min {:.0} s", (seconds / 60.0).floor(), (seconds % 60.0).floor())
        }
    }
}

fn line_of(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_ends_with_its_advice() {
        let error = run(program("sh", &["-c", "exit 3"]), "Do this.").unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.ends_with("Do this."), "{error}");
        let error = run(program("no-such-program", &[]), "").unwrap_err().to_string();
        assert_eq!(error, "cannot run no-such-program");
    }
}
