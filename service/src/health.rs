//! What the parts of a process say about themselves, and whether it is ready. Being alive is not judged here.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use parking_lot::Mutex;

/// What a part says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
enum CheckStatus {
    Ok,
    Warned(String),
    Failed(String),
}

type Checks = Arc<Mutex<BTreeMap<&'static str, CheckStatus>>>;

/// All checks of a process. A clone is the same set.
#[derive(Debug, Clone, Default)]
pub struct Health {
    checks: Checks,
}

/// One part's line in the report.
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
    /// One line a check: `[+]name ok`, `[!]name warning`, `[-]name why`.
    pub report: String,
}

impl Health {
    /// A check of that name. It fails until its owner says otherwise, so that a part that never starts is seen.
    pub fn check(&self, name: &'static str) -> Check {
        let check = Check { name, checks: Arc::clone(&self.checks) };
        check.fail("not started yet");
        check
    }

    /// Whether no check fails. `stopping` fails too: nobody should send new work to a process that is leaving.
    pub fn readiness(&self, stopping: bool) -> Readiness {
        let checks = self.checks.lock();
        let mut report = String::new();
        for (name, status) in checks.iter() {
            let _ = match status {
                CheckStatus::Ok => writeln!(report, "[+]{name} ok"),
                CheckStatus::Warned(text) => writeln!(report, "[!]{name} {text}"),
                CheckStatus::Failed(text) => writeln!(report, "[-]{name} {text}"),
            };
        }
        if stopping {
            report.push_str("[-]process stopping\n");
        }
        let failed = checks.values().any(|status| matches!(status, CheckStatus::Failed(_)));
        Readiness { ready: !failed && !stopping, report }
    }
}

impl Check {
    /// All is well.
    pub fn ok(&self) {
        self.say(CheckStatus::Ok);
    }

    /// It works, but an operator should look.
    pub fn warn(&self, text: impl Into<String>) {
        self.say(CheckStatus::Warned(text.into()));
    }

    /// It does not work: the process is not ready.
    pub fn fail(&self, text: impl Into<String>) {
        self.say(CheckStatus::Failed(text.into()));
    }

    fn say(&self, status: CheckStatus) {
        self.checks.lock().insert(self.name, status);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_never_started_keeps_the_process_unready() {
        let health = Health::default();
        let queue = health.check("queue");
        let readiness = health.readiness(false);
        assert_eq!((readiness.ready, readiness.report.as_str()), (false, "[-]queue not started yet\n"));
        queue.ok();
        assert!(health.readiness(false).ready);
    }

    #[test]
    fn a_warning_is_told_but_stays_ready() {
        let health = Health::default();
        health.check("ledger").ok();
        health.check("queue").warn("durability is declared, not checked");
        let readiness = health.readiness(false);
        assert!(readiness.ready);
        assert_eq!(readiness.report, "[+]ledger ok\n[!]queue durability is declared, not checked\n");
    }

    #[test]
    fn a_process_that_stops_is_not_ready() {
        let health = Health::default();
        assert!(!health.readiness(true).ready);
        assert_eq!(health.readiness(true).report, "[-]process stopping\n");
    }
}
