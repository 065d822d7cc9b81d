//! How a command fails, and the exit code of each failure.

use std::process::ExitCode;

use service::config::Mistakes;

use crate::output::print_error;

/// Any other failure.
pub(super) const FAILED: u8 = 1;
/// Wrong usage or settings.
pub(super) const USAGE: u8 = 2;
/// `firstcome verify` found violations.
const VIOLATIONS: u8 = 9;

/// A command that failed.
pub(super) enum CommandError {
    /// The command could not do its work.
    Failed(anyhow::Error),
    /// The settings are wrong.
    Settings(Mistakes),
    /// `firstcome verify` found violations and has printed them.
    Violations,
    /// The command was used wrongly or not confirmed, or the operator API refused it or gave no usable response.
    Exit {
        /// The exit code.
        code: u8,
        /// The error message.
        message: String,
    },
}

impl<E: Into<anyhow::Error>> From<E> for CommandError {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl CommandError {
    /// Wrong usage of a command.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::Exit { code: USAGE, message: message.into() }
    }

    /// The message, for a command that goes on after it.
    pub(super) fn text(self) -> String {
        match self {
            Self::Failed(error) => format!("{error:#}"),
            Self::Settings(mistakes) => mistakes.lines().join("; "),
            Self::Violations => "verify found violations".to_owned(),
            Self::Exit { message, .. } => message,
        }
    }

    /// Prints the error and returns its exit code.
    pub(super) fn report(self) -> ExitCode {
        match self {
            Self::Failed(error) => {
                print_error(format!("firstcome: {error:#}"));
                ExitCode::from(FAILED)
            }
            Self::Settings(mistakes) => {
                print_error(format!("firstcome: the settings are wrong:\n{mistakes}"));
                ExitCode::from(USAGE)
            }
            Self::Violations => ExitCode::from(VIOLATIONS),
            Self::Exit { code, message } => {
                print_error(format!("firstcome: {message}"));
                ExitCode::from(code)
            }
        }
    }
}
