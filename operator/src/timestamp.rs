//! Timestamps of the API: RFC 3339, written in UTC with milliseconds.

use domain::Millis;
use serde::{Deserialize, Deserializer, de};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

const FORMAT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// The first and the last millisecond that RFC 3339 can represent in UTC.
const FIRST: Millis = -62_167_219_200_000;
const LAST: Millis = 253_402_300_799_999;

/// Formats a time as the API does, `2026-11-29T11:00:00.000Z`. A time that RFC 3339 cannot represent becomes 1970-01-01.
pub fn format(at: Millis) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at) * 1_000_000);
    let time = time.ok().filter(|time| (0..=9999).contains(&time.year()));
    time.unwrap_or(OffsetDateTime::UNIX_EPOCH).format(FORMAT).unwrap_or_default()
}

/// Parses a time as RFC 3339; `None` if it is none.
pub(crate) fn parse(text: &str) -> Option<Millis> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}

/// A time in a request, in milliseconds since 1970 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timestamp(pub(crate) Millis);

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let wrong = || de::Error::custom("a time is written as 2026-11-29T20:00:00+09:00");
        let at = parse(&text).ok_or_else(wrong)?;
        // An offset can lead beyond the years that have four digits.
        if (FIRST..=LAST).contains(&at) { Ok(Self(at)) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> serde_json::Result<Timestamp> {
        serde_json::from_value(text.into())
    }

    #[test]
    fn a_timestamp_is_read_with_any_offset_and_written_in_utc() {
        for text in
            ["2026-11-29T20:00:00.123+09:00", "2026-11-29T11:00:00.123Z", "2026-11-29T03:30:00.123-07:30"]
        {
            let Timestamp(at) = read(text).unwrap();
            assert_eq!((at, format(at).as_str()), (1_795_950_000_123, "2026-11-29T11:00:00.123Z"), "{text}");
        }
        for (edge, text) in [(FIRST, "0000-01-01T00:00:00.000Z"), (LAST, "9999-12-31T23:59:59.999Z")] {
            assert_eq!((format(edge).as_str(), read(text).unwrap()), (text, Timestamp(edge)));
        }
    }

    #[test]
    fn a_text_that_is_no_timestamp_is_refused() {
        for bad in
            ["", "soon", "2026-11-29", "2026-11-29T20:00:00", "1795950000123", "9999-12-31T23:59:59-01:00"]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_time_without_a_representation_is_written_as_1970() {
        for at in [FIRST - 1, LAST + 1, i64::MAX] {
            assert_eq!(format(at), "1970-01-01T00:00:00.000Z");
        }
    }
}
