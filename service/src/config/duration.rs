//! Durations in settings: `250ms`, `3s`, `1h 30m`, or a bare number of milliseconds.

/// Longest unit first, so that the printed form is the shortest.
const UNITS: [(&str, i64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Milliseconds; `None` if the text is not a duration of whole milliseconds.
pub(super) fn parse_ms(text: &str) -> Option<i64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    let duration = humantime::parse_duration(text).ok()?;
    let is_whole = duration.subsec_nanos().is_multiple_of(1_000_000);
    i64::try_from(duration.as_millis()).ok().filter(|_| is_whole)
}

/// The duration in the largest unit without a fraction: `90s`, `2h`.
pub(super) fn print_ms(ms: i64) -> String {
    let unit = UNITS.iter().find(|(_, factor)| ms % factor == 0 && ms != 0);
    unit.map_or_else(|| format!("{ms}ms"), |(name, factor)| format!("{}{name}", ms / factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_unit_or_is_in_milliseconds() {
        let good = [("250ms", 250), ("3s", 3000), ("5m", 300_000), ("2h", 7_200_000), ("1d", 86_400_000)];
        for (text, ms) in good {
            assert_eq!(parse_ms(text), Some(ms));
            assert_eq!(print_ms(ms), text);
        }
        assert_eq!(parse_ms("1500"), Some(1500));
        assert_eq!(parse_ms("1h 30m"), Some(5_400_000));
        assert_eq!(print_ms(0), "0ms");
        for bad in ["", "s", "-3s", "3 sprints", "1.5us", "10us", "9223372036854775807s", "-1"] {
            assert_eq!(parse_ms(bad), None, "{bad}");
        }
    }
}
