//! The expected wait. `expectedWait` in `assets/wait.js` follows the same rule.

use crate::documents::{AdmissionRate, PromisedWait};
use crate::messages::{PageText, fill};

/// With no more ahead than this, it may be almost the applicant's turn.
const SOON_AHEAD: u32 = 10;
/// It is almost the applicant's turn if that comes within these seconds.
const SOON_S: f64 = 10.0;

/// The expected wait as a text: a range, or that it is almost the applicant's turn. Empty while it is unknown.
pub(super) fn expected_wait(ahead: u32, rate: Option<AdmissionRate>, text: &PageText) -> String {
    let Some(PromisedWait { from, to, high }) = rate.and_then(|rate| PromisedWait::of(ahead, rate)) else {
        return String::new();
    };
    if ahead <= SOON_AHEAD && high <= SOON_S {
        return text.eta_soon.to_owned();
    }
    let is_one_unit = to < 60.0 || from >= 60.0 && to < 3600.0;
    match () {
        () if from < 1.0 => fill(text.eta_within, &[("b", &duration(to, text))]),
        () if is_one_unit => {
            let unit = if to < 60.0 { 1.0 } else { 60.0 };
            fill(text.eta_range, &[("a", &whole(from / unit)), ("b", &duration(to, text))])
        }
        () => fill(text.eta_range, &[("a", &duration(from, text)), ("b", &duration(to, text))]),
    }
}

/// `50초`, `3분`, `1시간 20분`.
pub(super) fn duration(seconds: f64, text: &PageText) -> String {
    let of_minutes = |minutes: f64| fill(text.minutes, &[("n", &whole(minutes))]);
    if seconds < 60.0 {
        fill(text.seconds, &[("n", &whole(seconds))])
    } else if seconds < 3600.0 {
        of_minutes(seconds / 60.0)
    } else {
        let hours = fill(text.hours, &[("n", &whole((seconds / 3600.0).floor()))]);
        let minutes = seconds % 3600.0 / 60.0;
        if minutes == 0.0 { hours } else { format!("{hours} {}", of_minutes(minutes)) }
    }
}

fn whole(number: f64) -> String {
    format!("{number:.0}")
}

#[cfg(test)]
mod tests {
    use service::Language;

    use super::*;
    use crate::messages::{self, Tone};

    fn at_pace(ahead: u32, pace: f64) -> String {
        let rate = AdmissionRate { low: pace * 0.7, high: pace };
        expected_wait(ahead, Some(rate), messages::of(Language::Korean, Tone::Friendly))
    }

    #[test]
    fn almost_is_said_only_with_few_ahead_and_some_seconds_left() {
        assert_eq!(at_pace(0, 1.0), "곧 차례예요");
        assert_eq!(at_pace(10, 2.0), "곧 차례예요");
        assert_eq!(at_pace(239, 100.0), "약 2~4초");
        assert_eq!(at_pace(3, 0.1), "약 30초~1분");
        assert_eq!(at_pace(0, 0.1), "15초 이내");
    }

    #[test]
    fn a_longer_wait_is_a_wider_range() {
        for (ahead, range) in [
            (20, "약 5~8초"),
            (119, "약 25~45초"),
            (239, "약 55초~2분"),
            (1000, "약 4~6분"),
            (5000, "약 20~30분"),
            (13_000, "약 50분~1시간 20분"),
            (50_000, "약 3시간 20분~5시간"),
        ] {
            assert_eq!(at_pace(ahead, 4.0), range, "{ahead}");
        }
    }

    #[test]
    fn an_unknown_or_endless_wait_is_not_shown() {
        let text = messages::of(Language::English, Tone::Friendly);
        assert_eq!(expected_wait(5, None, text), "");
        assert_eq!(at_pace(1000, 0.001), "");
        let rate = AdmissionRate { low: 3.0, high: 4.0 };
        assert_eq!(expected_wait(2000, Some(rate), text), "about 8–15\u{a0}min");
        assert_eq!(expected_wait(20_000, Some(rate), text), "about 1\u{a0}h 20\u{a0}min–2\u{a0}h");
    }
}
