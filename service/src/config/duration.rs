//! Durations as people write them: `250ms`, `3s`, `5m`, `2h`, `1d`, or a bare number of milliseconds.

/// Longest unit first, so that printing picks the one that reads best.
const UNITS: [(&str, i64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Milliseconds, or `None` if it is no duration.
pub(super) fn parse_ms(text: &str) -> Option<i64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim_start() {
        "" => 1,
        unit => UNITS.iter().find(|(name, _)| *name == unit)?.1,
    };
    number.parse::<i64>().ok()?.checked_mul(factor)
}

/// The shortest way to write it.
pub(super) fn print_ms(ms: i64) -> String {
    let whole = UNITS.iter().find(|(_, factor)| ms % factor == 0 && ms != 0);
    whole.map_or_else(|| format!("{ms}ms"), |(name, factor)| format!("{}{name}", ms / factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_read_as_people_write_it() {
        let good = [("250ms", 250), ("3s", 3000), ("5m", 300_000), ("2h", 7_200_000), ("1d", 86_400_000)];
        for (text, ms) in good {
            assert_eq!(parse_ms(text), Some(ms));
            assert_eq!(print_ms(ms), text);
        }
        assert_eq!(parse_ms("1500"), Some(1500));
        assert_eq!(print_ms(0), "0ms");
        for bad in ["", "s", "-3s", "3 weeks", "1.5s", "9223372036854775807s"] {
            assert_eq!(parse_ms(bad), None, "{bad}");
        }
    }
}
