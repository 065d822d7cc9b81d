//! The error of every step of the worker.

use std::time::Duration;

/// Why a step ended early. Every step can be repeated.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The ledger failed or refused the step.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// The queue refused a leader's write.
    #[error(transparent)]
    Leader(#[from] queue::LeaderError),
    /// The queue could not be read.
    #[error(transparent)]
    Queue(#[from] queue::QueueError),
    /// Queue or ledger accepted a request and did not respond, as behind a network that drops packets.
    #[error("no response from queue or ledger within {0:?}")]
    Timeout(Duration),
}
