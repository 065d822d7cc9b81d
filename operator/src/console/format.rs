//! Numbers, durations and times as the console shows them. Times are in the time zone of Korea.

use domain::Millis;
use service::Language;
use time::{OffsetDateTime, UtcOffset};

use super::messages::{Messages, fill};

fn in_korea(at: Millis) -> OffsetDateTime {
    let utc = OffsetDateTime::from_unix_timestamp(at.div_euclid(1000)).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    utc.to_offset(UtcOffset::from_hms(9, 0, 0).unwrap_or(UtcOffset::UTC))
}

/// `20:01:50`.
pub(super) fn clock(at: Millis) -> String {
    let t = in_korea(at);
    format!("{:02}:{:02}:{:02}", t.hour(), t.minute(), t.second())
}

/// `11월 29일 20:00:00`, `29 Nov 20:00:00`.
pub(super) fn date(at: Millis, language: Language) -> String {
    let t = in_korea(at);
    match language {
        Language::Korean => format!("{}월 {}일 {}", u8::from(t.month()), t.day(), clock(at)),
        Language::English => format!("{} {} {}", t.day(), &t.month().to_string()[..3], clock(at)),
    }
}

/// The value of a field of type `datetime-local`: `2026-11-29T20:00:00`.
pub(super) fn local(at: Millis) -> String {
    let t = in_korea(at);
    format!("{:04}-{:02}-{:02}T{}", t.year(), u8::from(t.month()), t.day(), clock(at))
}

/// The time of a field of type `datetime-local`, as the API reads it. A browser omits seconds that are zero.
pub(super) fn from_local(text: &str) -> String {
    let seconds = if text.len() == "2026-11-29T20:00".len() { ":00" } else { "" };
    format!("{text}{seconds}+09:00")
}

/// `41,207`.
pub(super) fn number(n: impl Into<u64>) -> String {
    let digits = n.into().to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `79.4`, `120`.
pub(super) fn rate(per_s: f64) -> String {
    let text = if per_s >= 100.0 { format!("{per_s:.0}") } else { format!("{per_s:.1}") };
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

/// `412 ms`, `1.21 s`.
pub(super) fn latency(ms: u32) -> String {
    if ms < 1000 { format!("{ms} ms") } else { format!("{:.2} s", f64::from(ms) / 1000.0) }
}

/// `1분 58초`, `1 min 58 s`.
pub(super) fn duration(t: &Messages, seconds: u64) -> String {
    let (pattern, values) = match seconds {
        0..60 => (t.seconds, [0, 0, 0, seconds]),
        60..3600 => (t.minutes, [0, 0, seconds / 60, seconds % 60]),
        3600..86_400 => (t.hours, [0, seconds / 3600, seconds % 3600 / 60, 0]),
        _ => (t.days, [seconds / 86_400, seconds % 86_400 / 3600, 0, 0]),
    };
    let [days, hours, minutes, rest] = values.map(|n| n.to_string());
    fill(pattern, &[("d", &days), ("h", &hours), ("m", &minutes), ("s", &rest)])
}

#[cfg(test)]
mod tests {
    use super::super::messages;
    use super::*;

    #[test]
    fn numbers_and_times_are_written_as_operators_read_them() {
        assert_eq!(
            [0_u32, 999, 1000, 41_207, 1_000_000].map(number),
            ["0", "999", "1,000", "41,207", "1,000,000"]
        );
        assert_eq!([0.0, 79.44, 5.0, 120.4].map(rate), ["0", "79.4", "5", "120"]);
        assert_eq!([5, 999, 1210].map(latency), ["5 ms", "999 ms", "1.21 s"]);
        let t = messages::of(Language::Korean);
        assert_eq!(
            [5, 118, 3700, 90_000].map(|s| duration(t, s)),
            ["5초", "1분 58초", "1시간 1분", "1일 1시간"]
        );
        assert_eq!(date(1_795_950_000_000, Language::English), "29 Nov 20:00:00");
    }

    #[test]
    fn a_local_time_is_the_time_in_korea() {
        assert_eq!(local(1_795_950_000_999), "2026-11-29T20:00:00");
        assert_eq!(from_local("2026-11-29T20:00"), "2026-11-29T20:00:00+09:00");
        assert_eq!(from_local("2026-11-29T20:00:05"), "2026-11-29T20:00:05+09:00");
    }
}
