//! The pace of order calls: a token bucket in whole millionths, so that it is exact with any number of workers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::time::Millis;

/// Millionths of a token.
pub type Micro = i64;
const ONE: Micro = 1_000_000;

/// How long an unused token is valid, in milliseconds: an idle event must not save up a burst.
const UNUSED_MAX_MS: i64 = 500;

/// How much may be saved up while tokens are taken, in milliseconds of pace, besides one token.
const BURST_MS: i64 = 250;

/// The longest time, in milliseconds, that a refill counts: one hour yields a token even at the slowest pace.
const ELAPSED_MAX_MS: i64 = 3_600_000;

/// Order calls started per second: from 0.001 to 100,000 in steps of 0.001, so that every millisecond yields a whole number of
/// millionths and no refill rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pace(Micro);

/// The text is not a pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a pace is a number of order calls per second from 0.001 to 100000, with at most 3 decimals")]
pub struct BadPace;

impl Pace {
    /// 10 order calls per second.
    pub const DEFAULT: Self = Self(10 * ONE);

    /// A pace from millionths of a call per second.
    pub fn from_micro(micro: Micro) -> Result<Self, BadPace> {
        let whole_steps = micro % 1000 == 0;
        if whole_steps && (1000..=100_000 * ONE).contains(&micro) { Ok(Self(micro)) } else { Err(BadPace) }
    }
    /// Millionths of a call per second.
    pub fn micro(self) -> Micro {
        self.0
    }
    fn per_ms(self) -> Micro {
        self.0 / 1000
    }
}

impl FromStr for Pace {
    type Err = BadPace;
    fn from_str(text: &str) -> Result<Self, BadPace> {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || whole.len() > 6 || part.len() > 3 || !digits(whole) || !digits(part) {
            return Err(BadPace);
        }
        let whole: Micro = whole.parse().map_err(|_| BadPace)?;
        let part: Micro = format!("{part:0<6}").parse().map_err(|_| BadPace)?;
        Self::from_micro(whole * ONE + part)
    }
}

impl TryFrom<String> for Pace {
    type Error = BadPace;
    fn try_from(text: String) -> Result<Self, BadPace> {
        text.parse()
    }
}

impl From<Pace> for String {
    fn from(pace: Pace) -> Self {
        pace.to_string()
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.0 / ONE;
        let part = self.0 % ONE;
        if part == 0 {
            write!(f, "{whole}")
        } else {
            write!(f, "{whole}.{}", format!("{part:06}").trim_end_matches('0'))
        }
    }
}

/// Tokens at a point in time. The bucket is stored with the event and changed only under the row lock of the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// Millionths of tokens, never negative.
    pub tokens: Micro,
    /// The time of `tokens`.
    pub refilled_at: Millis,
}

impl Bucket {
    /// An empty bucket, with which an event starts and resumes.
    pub fn empty(now: Millis) -> Self {
        Self { tokens: 0, refilled_at: now }
    }

    /// The bucket at the time `now`: with new tokens, without expired ones. After an idle time one token is left, so that the first call
    /// need not wait and the next ones follow at the pace. A clock that went back adds nothing.
    pub fn refilled(self, pace: Pace, now: Millis) -> Self {
        let elapsed = (now - self.refilled_at).clamp(0, ELAPSED_MAX_MS);
        let after = |ms: i64| self.tokens + ms * pace.per_ms();
        let has_expired = elapsed > UNUSED_MAX_MS && after(elapsed - UNUSED_MAX_MS) >= ONE;
        // The bucket may hold a part of a token when 250 ms of tokens are added. Without room for both, a slow pace would lose what does
        // not fit, and be slower than set.
        let max = if has_expired { ONE } else { ONE + BURST_MS * pace.per_ms() };
        Self { tokens: after(elapsed).min(max), refilled_at: self.refilled_at.max(now) }
    }

    /// The number of whole tokens.
    pub fn whole(self) -> u32 {
        u32::try_from(self.tokens / ONE).unwrap_or(0)
    }

    /// The bucket after `n` tokens were taken; `None` if it holds fewer.
    pub fn take(self, n: u32) -> Option<Self> {
        let left = self.tokens - i64::from(n) * ONE;
        (left >= 0).then_some(Self { tokens: left, ..self })
    }

    /// Milliseconds until the bucket holds a whole token, if none is taken before.
    pub fn wait_ms(self, pace: Pace) -> Millis {
        ((ONE - self.tokens).max(0) * 1000).div_euclid(pace.0) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pace(text: &str) -> Pace {
        text.parse().unwrap()
    }

    #[test]
    fn a_pace_parses_its_text_form() {
        for text in ["1", "80", "0.5", "0.001", "100000", "12.25"] {
            assert_eq!(pace(text).to_string(), text);
        }
        for bad in ["", "0", "-1", "1e3", "100001", "1.0001", ".5", "1.x", "0.0"] {
            assert_eq!(bad.parse::<Pace>(), Err(BadPace), "{bad}");
        }
    }

    #[test]
    fn an_idle_bucket_saves_one_token() {
        let bucket = Bucket::empty(0).refilled(pace("100"), 60_000);
        assert_eq!(bucket.whole(), 1);
        assert_eq!(Bucket::empty(0).refilled(pace("0.1"), 60_000).whole(), 1);
    }

    #[test]
    fn after_a_short_stall_250_ms_of_pace_and_one_token_are_left() {
        assert_eq!(Bucket::empty(0).refilled(pace("100"), 200).whole(), 20);
        assert_eq!(Bucket::empty(0).refilled(pace("100"), 400).whole(), 26);
    }

    #[test]
    fn a_clock_that_goes_back_adds_nothing() {
        let bucket = Bucket { tokens: 5, refilled_at: 1000 };
        assert_eq!(bucket.refilled(pace("100"), 0), bucket);
    }

    #[test]
    fn missing_tokens_cannot_be_taken() {
        let bucket = Bucket { tokens: ONE, refilled_at: 0 };
        assert_eq!(bucket.take(2), None);
        assert_eq!(bucket.take(1), Some(Bucket { tokens: 0, refilled_at: 0 }));
    }

    proptest! {
        /// The tokens taken in intervals below 250 ms follow the pace, exact to one token.
        #[test]
        fn tokens_taken_in_uneven_intervals_follow_the_pace(milli in prop_oneof![200i64..20_000, 1000i64..5_000_000], steps in prop::collection::vec(1i64..200, 1..300)) {
            let micro = milli * 1000;
            let pace = Pace::from_micro(micro).unwrap();
            let (mut bucket, mut now, mut taken) = (Bucket::empty(0), 0, 0i64);
            for step in steps {
                now += step;
                bucket = bucket.refilled(pace, now);
                taken += i64::from(bucket.whole());
                bucket = bucket.take(bucket.whole()).unwrap();
                prop_assert!(taken <= now * micro / 1000 / ONE);
            }
            prop_assert!(taken + 1 >= now * micro / 1000 / ONE, "{} of {}", taken, now * micro / 1000 / ONE);
        }
    }
}
