//! What goes wrong between this process and the server, in words that say what to do. It decides nothing.

use redis::RedisError;

use crate::contract::{LeadError, Refused};

/// For an application or a request whose fate is open: asking again with the same key finds it.
const PRESS_AGAIN: &str = "not registered yet: press again";

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("{}", in_words(.0))]
    Redis(#[from] RedisError),
    #[error("no connection to the queue's Redis: {0}")]
    NoConnection(String),
    /// The answer belongs to another question: nothing on that connection can be trusted any more.
    #[error("the queue's Redis gave an answer to another question; the connection was dropped")]
    Misaligned,
    #[error("the queue's Redis gave an answer that nobody understands: {0}")]
    Garbled(String),
}

impl Fault {
    /// Whether the server may have done what it was asked for.
    fn leaves_it_open(&self) -> bool {
        match self {
            Self::Redis(error) => is_lost(error),
            Self::Misaligned | Self::Garbled(_) => true,
            Self::NoConnection(_) => false,
        }
    }

    /// Whether the connection must not be used again.
    pub(super) fn spoils_connection(&self) -> bool {
        match self {
            Self::Redis(error) => is_lost(error) || error.code() == Some("READONLY"),
            Self::Misaligned | Self::Garbled(_) | Self::NoConnection(_) => true,
        }
    }

    /// For an applicant's write.
    pub(super) fn unregistered(&self) -> Refused {
        let told = if self.leaves_it_open() { PRESS_AGAIN.to_owned() } else { self.to_string() };
        Refused::Unavailable(told)
    }
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self::Unavailable(fault.to_string())
    }
}

impl From<Fault> for LeadError {
    fn from(fault: Fault) -> Self {
        Self::Unavailable(fault.to_string())
    }
}

fn is_lost(error: &RedisError) -> bool {
    error.is_timeout()
        || error.is_io_error()
        || error.is_connection_dropped()
        || error.is_unrecoverable_error()
}

/// Inside a function the denial comes as an error of the function.
fn lacks_right(error: &RedisError) -> bool {
    let told = error.to_string();
    let inside = ["ACL failure in script", "The user executing the script can't"];
    error.code() == Some("NOPERM") || inside.iter().any(|denial| told.contains(denial))
}

/// The error as told to callers.
pub(super) fn in_words(error: &RedisError) -> String {
    let advice = match error.code() {
        Some("OOM") => "the queue's Redis is full: raise its maxmemory",
        _ if lacks_right(error) => {
            "the user of the queue's Redis lacks a right: give it those in ops/redis.acl"
        }
        Some("NOAUTH" | "WRONGPASS") => "the queue's Redis does not know this user and password",
        Some("READONLY") => {
            "the queue's Redis is a replica: give the address of the server that takes writes"
        }
        Some("LOADING") => "the queue's Redis is still reading its files: try again",
        Some("MISCONF") => "the queue's Redis cannot write its files: check its disk",
        _ if error.to_string().contains("Function not found") => {
            "the queue's Redis lacks the functions of this version: run `firstcome migrate`"
        }
        // Nothing was asked then.
        _ if error.is_connection_refusal() => {
            "nobody listens at that address: is it right, and is it running?"
        }
        _ if error.is_timeout() => "the queue's Redis did not answer in time; what was asked may be done",
        _ if is_lost(error) => "the connection to the queue's Redis broke; what was asked may be done",
        _ => "the queue's Redis refused",
    };
    format!("{advice} ({error})")
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn what_was_never_asked_is_not_said_to_be_open() {
        let refused = RedisError::from(io::Error::from(io::ErrorKind::ConnectionRefused));
        let told = in_words(&refused);
        assert!(told.starts_with("nobody listens at that address"), "{told}");
        let broke = RedisError::from(io::Error::from(io::ErrorKind::ConnectionReset));
        assert!(in_words(&broke).contains("may be done"), "{}", in_words(&broke));
    }
}
