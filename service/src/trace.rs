//! The `traceparent` header (W3C Trace Context): checking a received one and making a new one.

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::entropy::Rng;

/// The name of the header.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Whether a `traceparent` of version 00 is well formed, so that it may be passed on (W3C Trace Context 3.2).
pub fn is_traceparent(value: &HeaderValue) -> bool {
    // Ranges, because every request has one, and a search among the digits takes several times as long.
    let is_hex = |text: &[u8]| text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_id = |text: &[u8]| is_hex(text) && text.iter().any(|byte| *byte != b'0');
    match value.as_bytes() {
        [b'0', b'0', b'-', rest @ ..] if rest.len() == 52 => {
            rest[32] == b'-'
                && rest[49] == b'-'
                && is_id(&rest[..32])
                && is_id(&rest[33..49])
                && is_hex(&rest[50..])
        }
        _ => false,
    }
}

/// The trace ID of a request, 32 hexadecimal digits; `None` without a well-formed `traceparent`.
pub fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(TRACEPARENT).filter(|value| is_traceparent(value))?;
    value.to_str().ok()?.get(3..35)
}

/// A `traceparent` for a trace ID of 32 hexadecimal digits and a span ID above 0.
pub fn traceparent(trace_id: &str, span_id: u64) -> String {
    format!("00-{trace_id}-{span_id:016x}-01")
}

/// A `traceparent` with random IDs.
pub fn new_traceparent(rng: &Rng) -> HeaderValue {
    let mut bytes = [0; 24];
    rng(&mut bytes);
    // IDs of zeros only are not valid.
    bytes[15] |= 1;
    bytes[23] |= 1;
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-01";
    for (at, byte) in bytes.iter().enumerate() {
        let start = if at < 16 { 3 + at * 2 } else { 4 + at * 2 };
        text[start] = HEX_DIGITS[usize::from(byte >> 4)];
        text[start + 1] = HEX_DIGITS[usize::from(byte & 15)];
    }
    HeaderValue::from_bytes(&text).unwrap_or_else(|_| unreachable!("hexadecimal digits fit in a header"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_new_or_well_formed_traceparent_is_valid_and_others_are_not() {
        let zeros: Rng = std::sync::Arc::new(|bytes: &mut [u8]| bytes.fill(0));
        assert!(is_traceparent(&new_traceparent(&zeros)));
        assert!(is_traceparent(&GOOD.parse().unwrap()));
        assert!(is_traceparent(&traceparent("0af7651916cd43dd8448eb211c80319c", 1).parse().unwrap()));
        for bad in [
            "",
            "00-",
            "00-xyz",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            assert!(!is_traceparent(&bad.parse().unwrap()), "{bad}");
        }
    }

    #[test]
    fn a_trace_id_is_read_only_from_a_well_formed_traceparent() {
        let with = |value: &str| HeaderMap::from_iter([(TRACEPARENT, value.parse().unwrap())]);
        assert_eq!(trace_id(&with(GOOD)), Some("0af7651916cd43dd8448eb211c80319c"));
        assert_eq!(trace_id(&with("00-xyz")), None);
        assert_eq!(trace_id(&HeaderMap::new()), None);
    }
}
