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

/// Formats a time as the API does, `2026-11-29T11:00:00.000Z`.
pub fn format(at: Millis) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at) * 1_000_000);
    let time = time.ok().filter(|time| (0..=9999).contains(&time.year()));
    time.unwrap_or(OffsetDateTime::UNIX_EPOCH).format(FORMAT).unwrap_or_default()
}

/// A time in a request, in milliseconds since 1970 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timestamp(pub(crate) Millis);

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let wrong = || de::Error::custom("a time is written as 2026-11-29T20:00:00+09:00");
        let time = OffsetDateTime::parse(&text, &Rfc3339).map_err(|_| wrong())?;
        let at = i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).map_err(|_| wrong())?;
        // An offset can lead beyond the years that have four digits.
        if (FIRST..=LAST).contains(&at) { Ok(Self(at)) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_read_back_as_it_was_written() {
        let read = |text: &str| serde_json::from_value::<Timestamp>(text.into());
        assert_eq!(format(1_795_950_000_123), "2026-11-29T11:00:00.123Z");
        assert_eq!(read("2026-11-29T20:00:00.123+09:00").unwrap(), Timestamp(1_795_950_000_123));
        for bad in
            ["", "soon", "2026-11-29", "2026-11-29T20:00:00", "1795950000123", "9999-12-31T23:59:59-01:00"]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
        for (edge, text) in [(FIRST, "0000-01-01T00:00:00.000Z"), (LAST, "9999-12-31T23:59:59.999Z")] {
            assert_eq!((format(edge).as_str(), read(text).unwrap()), (text, Timestamp(edge)));
        }
        assert_eq!(format(i64::MAX), "1970-01-01T00:00:00.000Z");
    }
}
