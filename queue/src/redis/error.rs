//! Failed calls to the server, with messages that say what to do.

use redis::RedisError;

use crate::contract::{LeaderError, QueueError};

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error("{}", describe(.0))]
    Redis(#[from] RedisError),
    #[error("cannot connect to the queue's Redis: {0}")]
    NoConnection(String),
    /// The reply belongs to another call, so no reply on that connection can be trusted any more.
    #[error("the queue's Redis sent the reply to another call; the connection was dropped")]
    WrongReply,
    #[error("the queue's Redis sent an unexpected reply: {0}")]
    Unreadable(String),
}

/// The error for a reply that has not the expected form.
pub(super) fn unreadable(what: &str) -> CallError {
    CallError::Unreadable(what.to_owned())
}

impl CallError {
    /// Whether the call may have taken effect.
    fn is_open(&self) -> bool {
        match self {
            Self::Redis(error) => !is_without_effect(error),
            Self::WrongReply | Self::Unreadable(_) => true,
            Self::NoConnection(_) => false,
        }
    }

    /// Whether the connection must not be used again.
    pub(super) fn spoils_connection(&self) -> bool {
        match self {
            Self::Redis(error) => is_lost(error) || error.code() == Some("READONLY"),
            Self::WrongReply | Self::Unreadable(_) | Self::NoConnection(_) => true,
        }
    }
}

impl From<CallError> for QueueError {
    fn from(error: CallError) -> Self {
        let why = error.to_string();
        if error.is_open() { Self::Unknown(why) } else { Self::Unavailable(why) }
    }
}

impl From<CallError> for LeaderError {
    fn from(error: CallError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// Errors that the server returns only before the first write of a function.
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

/// Whether the server certainly did nothing. Any other error may end a function midway, and Redis does not undo its writes.
fn is_without_effect(error: &RedisError) -> bool {
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

/// Whether a right is missing. Within a function, the server reports this as an error of the function.
fn lacks_right(error: &RedisError) -> bool {
    let text = error.to_string();
    let in_function = ["ACL failure in script", "The user executing the script can't"];
    error.code() == Some("NOPERM") || in_function.iter().any(|denial| text.contains(denial))
}

/// The error with what it means and what to do.
pub(super) fn describe(error: &RedisError) -> String {
    let advice = match error.code() {
        Some("OOM") => "the queue's Redis is out of memory: raise its maxmemory",
        _ if lacks_right(error) => {
            "the user of the queue's Redis lacks a right: give it the rights in ops/redis.acl"
        }
        Some("NOAUTH" | "WRONGPASS") => {
            "the queue's Redis rejects the user or the password: correct them in its address"
        }
        Some("READONLY") => "the queue's Redis is a replica: set the address of the primary",
        Some("LOADING") => "the queue's Redis is still loading its files: try again",
        Some("MISCONF") => "the queue's Redis cannot write its files: check its disk",
        _ if lacks_function(error) => {
            "the queue's Redis lacks the functions of this version: run `firstcome migrate`"
        }
        // The call was never sent.
        _ if error.is_connection_refusal() => {
            "nothing listens at the address of the queue's Redis: correct the address, or start the server"
        }
        _ if error.is_timeout() => "the queue's Redis did not answer in time; the call may have taken effect",
        _ if is_lost(error) => "the connection to the queue's Redis broke; the call may have taken effect",
        _ => "the queue's Redis returned an error",
    };
    format!("{advice} ({error})")
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_refused_connection_is_not_reported_as_an_open_call() {
        let refused = describe(&RedisError::from(io::Error::from(io::ErrorKind::ConnectionRefused)));
        assert!(refused.starts_with("nothing listens at the address"), "{refused}");
        let broken = describe(&RedisError::from(io::Error::from(io::ErrorKind::ConnectionReset)));
        assert!(broken.contains("may have taken effect"), "{broken}");
    }

    fn error_reply(text: &str) -> RedisError {
        let value = redis::parse_redis_value(format!("-{text}\r\n").as_bytes());
        value.and_then(redis::Value::extract_error).unwrap_err()
    }

    #[test]
    fn only_an_error_from_before_any_write_is_certain_to_have_no_effect() {
        let is_unknown =
            |error: RedisError| matches!(QueueError::from(CallError::from(error)), QueueError::Unknown(_));
        for code in BEFORE_ANY_WRITE {
            assert!(!is_unknown(error_reply(&format!("{code} and the server's text"))), "{code}");
        }
        assert!(!is_unknown(error_reply("ERR Function not found")));
        assert!(!is_unknown(io::Error::from(io::ErrorKind::ConnectionRefused).into()));
        for text in
            ["WRONGTYPE Operation against a key holding the wrong kind of value", "ERR user_function:9"]
        {
            assert!(is_unknown(error_reply(text)), "{text}");
        }
        for kind in [io::ErrorKind::TimedOut, io::ErrorKind::ConnectionReset, io::ErrorKind::UnexpectedEof] {
            assert!(is_unknown(io::Error::from(kind).into()), "{kind}");
        }
        for error in [CallError::WrongReply, CallError::Unreadable("x".into())] {
            assert!(matches!(error.into(), QueueError::Unknown(_)));
        }
        assert!(matches!(CallError::NoConnection("x".into()).into(), QueueError::Unavailable(_)));
    }
}
