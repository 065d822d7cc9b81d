//! What goes wrong between this process and the server, in words that say what to do. It decides nothing.

use redis::RedisError;

use crate::contract::{LeadError, Refused};

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
    #[error("the queue's Redis sent a reply that the program does not understand: {0}")]
    Garbled(String),
}

impl Fault {
    /// Whether the server may have done what it was asked for.
    fn leaves_it_open(&self) -> bool {
        match self {
            Self::Redis(error) => !is_refused_whole(error),
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
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        let told = fault.to_string();
        if fault.leaves_it_open() { Self::Unknown(told) } else { Self::Unavailable(told) }
    }
}

impl From<Fault> for LeadError {
    fn from(fault: Fault) -> Self {
        Self::Unavailable(fault.to_string())
    }
}

/// Errors that the server gives before a function's first write, and never after it.
const BEFORE_ANY_WRITE: [&str; 10] = [
    "BUSY",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "NOAUTH",
    "NOPERM",
    "NOREPLICAS",
    "OOM",
    "READONLY",
    "WRONGPASS",
];

/// Whether the server certainly did nothing. Any other error may end a function midway, and Redis takes no write back.
fn is_refused_whole(error: &RedisError) -> bool {
    error.code().is_some_and(|code| BEFORE_ANY_WRITE.contains(&code))
        || lacks_right(error)
        || lacks_function(error)
        || error.is_connection_refusal()
}

fn lacks_function(error: &RedisError) -> bool {
    error.to_string().contains("Function not found")
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
        _ if lacks_function(error) => {
            "the queue's Redis lacks the functions of this version: run `firstcome migrate`"
        }
        // Nothing was asked then.
        _ if error.is_connection_refusal() => {
            "nothing listens at that address: is it right, and is it running?"
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
        assert!(told.starts_with("nothing listens at that address"), "{told}");
        let broke = RedisError::from(io::Error::from(io::ErrorKind::ConnectionReset));
        assert!(in_words(&broke).contains("may be done"), "{}", in_words(&broke));
    }

    fn answered(queue: &str) -> RedisError {
        let value = redis::parse_redis_value(format!("-{queue}\r\n").as_bytes());
        value.and_then(redis::Value::extract_error).unwrap_err()
    }

    #[test]
    fn only_an_error_from_before_any_write_is_certain_to_have_done_nothing() {
        let unknown = |error: RedisError| matches!(Refused::from(Fault::from(error)), Refused::Unknown(_));
        for certain in BEFORE_ANY_WRITE {
            assert!(!unknown(answered(&format!("{certain} told by the server"))), "{certain}");
        }
        assert!(!unknown(answered("ERR Function not found")));
        assert!(!unknown(io::Error::from(io::ErrorKind::ConnectionRefused).into()));
        for open in
            ["WRONGTYPE Operation against a key holding the wrong kind of value", "ERR user_function:9"]
        {
            assert!(unknown(answered(open)), "{open}");
        }
        for lost in [io::ErrorKind::TimedOut, io::ErrorKind::ConnectionReset, io::ErrorKind::UnexpectedEof] {
            assert!(unknown(io::Error::from(lost).into()), "{lost}");
        }
        for fault in [Fault::Misaligned, Fault::Garbled("x".into())] {
            assert!(matches!(fault.into(), Refused::Unknown(_)));
        }
        assert!(matches!(Fault::NoConnection("x".into()).into(), Refused::Unavailable(_)));
    }
}
