//! A rendered JSON document with its entity tag.

use std::hash::{DefaultHasher, Hasher};

use axum::http::HeaderValue;
use bytes::Bytes;
use serde::Serialize;

/// A rendered JSON document.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    /// The JSON.
    pub(crate) body: Bytes,
    /// Changes when a poller needs the new body.
    pub(crate) etag: HeaderValue,
}

impl Document {
    /// A document whose tag is a hash of its content and of `salt`.
    pub(crate) fn of(value: &impl Serialize, salt: i64) -> Self {
        Self::tagged_as(value, value, salt)
    }

    /// A document whose tag is a hash of `tagged` and of `salt` instead of its own content.
    pub(crate) fn tagged_as(value: &impl Serialize, tagged: &impl Serialize, salt: i64) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(&to_json(tagged));
        hasher.write_i64(salt);
        let etag = HeaderValue::from_str(&format!("W/\"{:016x}\"", hasher.finish()))
            .unwrap_or_else(|_| unreachable!("hexadecimal digits are valid in a header"));
        Self { body: Bytes::from(to_json(value)), etag }
    }
}

fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_else(|_| unreachable!("the keys of a document are strings"))
}
