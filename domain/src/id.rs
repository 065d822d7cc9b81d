//! Identifiers. Each has one text form, in code, SQL, JSON, logs and paths.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use data_encoding::HEXLOWER_PERMISSIVE;
use serde::{Deserialize, Serialize};

/// Longest event ID, in bytes: it is part of every path, key and receipt.
pub const EVENT_ID_MAX: usize = 40;

/// Why a text is not an ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadId {
    /// Not `[a-z0-9][a-z0-9-]{0,39}`.
    #[error("an event ID has 1 to 40 characters of a-z, 0-9 and '-', and starts with a letter or digit")]
    Event,
    /// Not 32 hexadecimal digits.
    #[error("an application key is 32 hexadecimal digits")]
    AppKey,
    /// Not 16 hexadecimal digits.
    #[error("the hash of a secret is 16 hexadecimal digits")]
    ReqHash,
    /// Zero, or above `u32::MAX`.
    #[error("a number is between 1 and 4294967295")]
    Number,
}

/// The ID of an event: `[a-z0-9][a-z0-9-]{0,39}`. A clone shares the text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventId(Arc<str>);

impl EventId {
    /// The ID as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EventId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let first = text.bytes().next().ok_or(BadId::Event)?;
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let fits = text.len() <= EVENT_ID_MAX && plain(first) && text.bytes().all(|b| plain(b) || b == b'-');
        if fits { Ok(Self(text.into())) } else { Err(BadId::Event) }
    }
}

/// Allows looking up a map by event with a part of a path.
impl Borrow<str> for EventId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EventId {
    type Error = BadId;
    fn try_from(text: String) -> Result<Self, BadId> {
        text.parse()
    }
}

impl From<EventId> for String {
    fn from(id: EventId) -> Self {
        id.as_str().to_owned()
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A person in an event: the first 16 bytes of an HMAC over event and identity, which reveals neither.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppKey(pub [u8; 16]);

impl AppKey {
    /// The GUID and trace ID of the application: the key with the version and variant bits of a `UUIDv8` (RFC 9562 5.8), 32 hex digits.
    pub fn guid(self) -> String {
        let mut bytes = self.0;
        bytes[6] = (bytes[6] & 0x0f) | 0x80;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        HEXLOWER_PERMISSIVE.encode(&bytes)
    }
}

impl fmt::Display for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER_PERMISSIVE.encode(&self.0))
    }
}

impl fmt::Debug for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for AppKey {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(|_| BadId::AppKey)?;
        bytes.try_into().map(Self).map_err(|_| BadId::AppKey)
    }
}

/// The number of an application in the queue, from 1. It is never reused or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Number(u32);

impl Number {
    /// The number, unless it is 0.
    pub fn new(n: u32) -> Option<Self> {
        (n > 0).then_some(Self(n))
    }
    /// The number as an integer.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<i64> for Number {
    type Error = BadId;
    fn try_from(n: i64) -> Result<Self, BadId> {
        u32::try_from(n).ok().and_then(Self::new).ok_or(BadId::Number)
    }
}

impl From<Number> for i64 {
    fn from(n: Number) -> Self {
        i64::from(n.0)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The epoch of the queue. It rises whenever the queue may have lost data, so that an older receipt is recognised. 0 is before the
/// first.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u32);

/// Stands for the journal of the processes that acknowledge applications without one.
pub const NO_JOURNAL: &str = "none";

/// The fencing token of a leader. It only rises, and a write with a lower one is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fence(pub i64);

/// The first 8 bytes of an HMAC over the secret of a client; all zero for a client without a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReqHash(pub [u8; 8]);

impl fmt::Display for ReqHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER_PERMISSIVE.encode(&self.0))
    }
}

impl FromStr for ReqHash {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(BadId::ReqHash)
    }
}

impl ReqHash {
    /// No secret.
    pub const NONE: Self = Self([0; 8]);

    /// Whether both were made from the same secret. No secret matches nothing, not even no secret.
    pub fn proves(self, other: Self) -> bool {
        self != Self::NONE && self == other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_id_is_a_short_lowercase_slug() {
        for good in ["spring", "a", "0-day", "x23456789012345678901234567890123456789"] {
            assert_eq!(good.parse::<EventId>().map(String::from), Ok(good.to_owned()));
        }
        for bad in ["", "-x", "Spring", "a b", "봄", "a/b", "x2345678901234567890123456789012345678901"] {
            assert_eq!(bad.parse::<EventId>(), Err(BadId::Event), "{bad}");
        }
    }

    #[test]
    fn an_application_key_parses_its_text_form() {
        let key = AppKey([0xab; 16]);
        assert_eq!(key.to_string().parse(), Ok(key));
        assert_eq!("ab".parse::<AppKey>(), Err(BadId::AppKey));
    }

    #[test]
    fn a_guid_has_the_bits_of_a_version_8_uuid() {
        let guid = AppKey([0xff; 16]).guid();
        assert_eq!((&guid[12..13], &guid[16..17]), ("8", "b"));
    }

    #[test]
    fn a_missing_secret_proves_nothing() {
        assert!(!ReqHash::NONE.proves(ReqHash::NONE));
        assert!(ReqHash([1; 8]).proves(ReqHash([1; 8])));
    }
}
