//! Health checks: each part of a process reports its status, and all of them decide whether the process is ready. They do not decide
//! whether the process is alive.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use parking_lot::Mutex;

/// The status that a part has reported.
#[derive(Debug, Clone, PartialEq, Eq)]
enum CheckStatus {
    Ok,
    Warning(String),
    Failure(String),
}

type Checks = Arc<Mutex<BTreeMap<&'static str, CheckStatus>>>;

/// All checks of a process. A clone refers to the same set.
#[derive(Debug, Clone, Default)]
pub struct Health {
    checks: Checks,
}

/// The check of one part.
#[derive(Debug, Clone)]
pub struct Check {
    name: &'static str,
    checks: Checks,
}

/// Whether the process is ready, and why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    /// Whether no check fails.
    pub ready: bool,
    /// One line per check: `[+]name ok`, `[!]name warning`, `[-]name cause`.
    pub report: String,
}

impl Health {
    /// Adds a check. It fails until its part reports a status, so that a part that never starts is noticed.
    pub fn check(&self, name: &'static str) -> Check {
        let check = Check { name, checks: Arc::clone(&self.checks) };
        check.fail("not started yet");
        check
    }

    /// Whether no check fails.
    pub fn readiness(&self) -> Readiness {
        let checks = self.checks.lock();
        let mut report = String::new();
        for (name, status) in checks.iter() {
            let _ = match status {
                CheckStatus::Ok => writeln!(report, "[+]{name} ok"),
                CheckStatus::Warning(text) => writeln!(report, "[!]{name} {text}"),
                CheckStatus::Failure(text) => writeln!(report, "[-]{name} {text}"),
            };
        }
        let failed = checks.values().any(|status| matches!(status, CheckStatus::Failure(_)));
        Readiness { ready: !failed, report }
    }

    /// The readiness of a process that is stopping. It is not ready: it must get no new work.
    pub fn readiness_while_stopping(&self) -> Readiness {
        let report = self.readiness().report + "[-]process stopping\n";
        Readiness { ready: false, report }
    }
}

impl Check {
    /// Reports that the part works.
    pub fn ok(&self) {
        self.set(CheckStatus::Ok);
    }

    /// Reports that the part works, with a warning for the operator.
    pub fn warn(&self, text: impl Into<String>) {
        self.set(CheckStatus::Warning(text.into()));
    }

    /// Reports that the part does not work: the process is not ready.
    pub fn fail(&self, text: impl Into<String>) {
        self.set(CheckStatus::Failure(text.into()));
    }

    fn set(&self, status: CheckStatus) {
        self.checks.lock().insert(self.name, status);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_never_starts_keeps_the_process_unready() {
        let health = Health::default();
        let queue = health.check("queue");
        let readiness = health.readiness();
        assert_eq!((readiness.ready, readiness.report.as_str()), (false, "[-]queue not started yet\n"));
        queue.ok();
        assert!(health.readiness().ready);
    }

    #[test]
    fn a_warning_is_reported_and_the_process_stays_ready() {
        let health = Health::default();
        health.check("ledger").ok();
        health.check("queue").warn("durability is declared, not checked");
        let readiness = health.readiness();
        assert!(readiness.ready);
        assert_eq!(readiness.report, "[+]ledger ok\n[!]queue durability is declared, not checked\n");
    }

    #[test]
    fn a_stopping_process_is_not_ready() {
        let health = Health::default();
        assert!(!health.readiness_while_stopping().ready);
        assert_eq!(health.readiness_while_stopping().report, "[-]process stopping\n");
    }
}
