//! Times and numbers as the pages display them. Times are in the time zone of Korea.

use domain::Millis;
use time::{OffsetDateTime, UtcOffset};

use service::Language;

fn in_korea(at: Millis) -> OffsetDateTime {
    let utc = OffsetDateTime::from_unix_timestamp(at.div_euclid(1000)).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let kst = UtcOffset::from_hms(9, 0, 0).unwrap_or(UtcOffset::UTC);
    utc.to_offset(kst)
}

/// `11월 22일(일) 오후 8:00`, `Sun, Nov 22, 8:00 PM`.
pub(crate) fn date(at: Millis, language: Language) -> String {
    let t = in_korea(at);
    let weekday = usize::from(t.weekday().number_days_from_monday());
    let month = u8::from(t.month());
    let day = t.day();
    let time = time_of_day(at, language);
    match language {
        Language::Korean => {
            let weekday = ["월", "화", "수", "목", "금", "토", "일"][weekday];
            format!("{month}월 {day}일({weekday}) {time}")
        }
        Language::English => {
            let weekday = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][weekday];
            let month = &t.month().to_string()[..3];
            format!("{weekday}, {month} {day}, {time}")
        }
    }
}

/// `오후 8:00`, `8:00 PM`.
pub(crate) fn time_of_day(at: Millis, language: Language) -> String {
    let t = in_korea(at);
    let hour = if t.hour().is_multiple_of(12) { 12 } else { t.hour() % 12 };
    let clock = format!("{hour}:{:02}", t.minute());
    match (language, t.hour() < 12) {
        (Language::Korean, true) => format!("오전 {clock}"),
        (Language::Korean, false) => format!("오후 {clock}"),
        (Language::English, true) => format!("{clock} AM"),
        (Language::English, false) => format!("{clock} PM"),
    }
}

/// `20:01:50`.
pub(crate) fn clock(at: Millis) -> String {
    let t = in_korea(at);
    format!("{:02}:{:02}:{:02}", t.hour(), t.minute(), t.second())
}

/// `00:01:40`, as a countdown shows it: a second that has begun counts.
pub(crate) fn duration(millis: Millis) -> String {
    let seconds = millis.max(0).unsigned_abs().div_ceil(1000);
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// `20261122T110000Z`.
pub(crate) fn utc(at: Millis) -> String {
    let t = in_korea(at).to_offset(UtcOffset::UTC);
    let (month, day) = (u8::from(t.month()), t.day());
    format!("{}{month:02}{day:02}T{:02}{:02}{:02}Z", t.year(), t.hour(), t.minute(), t.second())
}

/// `41,207`.
pub(crate) fn grouped(n: u32) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    // 2026-11-22 20:00:00 KST.
    const EIGHT: Millis = 1_795_345_200_000;

    #[test]
    fn a_time_is_displayed_in_the_time_zone_of_korea() {
        assert_eq!(date(EIGHT, Language::Korean), "11월 22일(일) 오후 8:00");
        assert_eq!(date(EIGHT, Language::English), "Sun, Nov 22, 8:00 PM");
        assert_eq!(clock(EIGHT + 61_000), "20:01:01");
        assert_eq!(utc(EIGHT + 61_000), "20261122T110101Z");
        assert_eq!(
            [duration(100_000), duration(3_599_001), duration(-1)],
            ["00:01:40", "01:00:00", "00:00:00"]
        );
        let midnight = EIGHT + 4 * 3_600_000;
        assert_eq!(date(midnight, Language::Korean), "11월 23일(월) 오전 12:00");
        assert_eq!(time_of_day(midnight + 12 * 3_600_000, Language::English), "12:00 PM");
    }

    #[test]
    fn a_number_is_grouped_by_thousands() {
        let grouped: Vec<_> = [0, 999, 1000, 41_207, 1_000_000].into_iter().map(grouped).collect();
        assert_eq!(grouped, ["0", "999", "1,000", "41,207", "1,000,000"]);
    }
}
