//! The idempotency key of an application. It proves later that a repeat comes from the same client.

use axum::http::HeaderMap;

use crate::error::Error;

/// Longest key in bytes.
const KEY_MAX: usize = 200;

/// The key in the `Idempotency-Key` header, bare or as a quoted string as in the IETF draft. It is empty without the header.
pub(super) fn key_in_header(headers: &HeaderMap) -> Result<String, Error> {
    let mut values = headers.get_all("idempotency-key").into_iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(String::new()),
        (Some(value), None) => {
            let text = value.to_str().map_err(|_| Error::InvalidIdempotencyKey)?;
            let bare = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
            if bare.is_empty() { Err(Error::InvalidIdempotencyKey) } else { checked_key(bare) }
        }
        _ => Err(Error::InvalidIdempotencyKey),
    }
}

/// The text as a key: at most 200 visible ASCII characters.
pub(super) fn checked_key(text: &str) -> Result<String, Error> {
    let is_valid = text.len() <= KEY_MAX && text.bytes().all(|b| b.is_ascii_graphic());
    if is_valid { Ok(text.to_owned()) } else { Err(Error::InvalidIdempotencyKey) }
}
