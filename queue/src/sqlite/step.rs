//! A step of a transaction: one write, which is refused alone or fails together with its whole transaction.

use tokio::sync::oneshot;

use crate::contract::{LeaderError, QueueError};

/// The channel for the result of a write. The result counts once the transaction is committed.
pub(super) type Reply<T, E> = oneshot::Sender<Result<T, E>>;

/// Why a step has no result.
#[derive(Debug)]
pub(super) enum StepError<E> {
    /// The write is refused. The other writes of its transaction are committed.
    Refused(E),
    /// The transaction fails.
    Database(sqlx::Error),
}

impl<E> From<sqlx::Error> for StepError<E> {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<QueueError> for StepError<QueueError> {
    fn from(error: QueueError) -> Self {
        Self::Refused(error)
    }
}

impl From<LeaderError> for StepError<LeaderError> {
    fn from(error: LeaderError) -> Self {
        Self::Refused(error)
    }
}

/// Sends the result of a step to its caller. An error of the database is returned instead, since the whole transaction fails.
pub(super) fn report<T, E>(reply: Reply<T, E>, result: Result<T, StepError<E>>) -> sqlx::Result<()> {
    // The caller may have gone; the write stays, and calling again finds it.
    match result {
        Ok(value) => drop(reply.send(Ok(value))),
        Err(StepError::Refused(error)) => drop(reply.send(Err(error))),
        Err(StepError::Database(error)) => return Err(error),
    }
    Ok(())
}
