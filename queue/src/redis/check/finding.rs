//! The findings of the server check.

/// What a finding means for the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The queue is not safe on this server and is not opened.
    Refuse,
    /// The queue works, but an operator should know.
    Warn,
}

/// Something that is wrong with the queue's server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFinding {
    /// What the finding means for the queue.
    pub severity: Severity,
    /// What is wrong, what to set, and why.
    pub what: String,
}

impl ServerFinding {
    pub(super) fn refuse(what: impl Into<String>) -> Self {
        Self { severity: Severity::Refuse, what: what.into() }
    }
    pub(super) fn warn(what: impl Into<String>) -> Self {
        Self { severity: Severity::Warn, what: what.into() }
    }
}
