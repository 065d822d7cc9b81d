//! The automatic pace: it falls at once when the order service is slow or fails, and rises slowly while it is well (additive increase,
//! multiplicative decrease). The leader observes the order calls and applies the steps.

use std::fmt;
use std::ops::{Range, RangeInclusive};

use serde::{Deserialize, Serialize};

use crate::pace::{Micro, Pace};
use crate::time::Millis;

/// The limits of `target_p95_ms`. A call that takes longer than the upper one has run into the time limit of order calls.
pub const TARGET_P95_MS: RangeInclusive<u32> = 10..=8_000;

/// A judgement needs so many calls, from the last milliseconds,
const CALLS_MIN: u32 = 5;
const OBSERVED_MS: Millis = 5_000;
/// or at a slow pace from this much more.
const OBSERVED_MAX_MS: Millis = 20_000;
/// A rise needs a judgement over so many milliseconds.
const RISE_OBSERVED_MS: Millis = 3_000;
/// A dispatcher reports a call up to so many milliseconds after its end.
const REPORT_LATE_MS: Millis = 1_000;
/// The longest wait for calls that started before a step to end.
const SETTLE_MAX_MS: Millis = 5_000;
/// The least time between two rises.
const RISE_EVERY_MS: Millis = 5_000;
/// The same close to the pace that was too much last.
const PROBE_EVERY_MS: Millis = 20_000;
/// No rise for so long after a breach, a pause, an operator's change or a change of the leader.
pub const QUIET_MS: Millis = 10_000;
/// A rise is a share of the range from `min` to `max`; close to the pace that was too much last, a quarter of that.
const RISES_OVER_RANGE: Micro = 20;
const PROBES_PER_RISE: Micro = 4;
/// Calls without a clear response are a breach if there are at least two, and more than this share of all calls.
const UNCLEAR_PERCENT: u64 = 5;
/// With more than this share, or a p95 of more than twice the target, the pace is halved. Otherwise it falls to 7/10.
const BAD_UNCLEAR_PERCENT: u64 = 20;
/// A rise needs a p95 of at most this share of the target,
const GOOD_PERCENT: u64 = 75;
/// and at least this share of the present pace in calls: an unused pace says nothing about a higher one.
const USED_PERCENT: u64 = 70;

/// How the pace follows the order service. Without it, the pace stays as an operator set it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutoPace {
    /// The lowest pace, with which the release also resumes after a pause.
    pub min: Pace,
    /// The highest pace.
    pub max: Pace,
    /// The latency, in milliseconds, that 95 % of the order calls should not exceed.
    pub target_p95_ms: u32,
}

/// The lowest `min`, in millionths of a call per second: twice the calls that a judgement needs, so that a pace that has fallen can rise.
const MIN_MICRO: i64 = 500_000;

impl AutoPace {
    /// Whether the limits make sense.
    pub fn is_valid(&self) -> bool {
        self.min.micro() >= MIN_MICRO && self.min <= self.max && TARGET_P95_MS.contains(&self.target_p95_ms)
    }

    /// The pace within the limits.
    pub fn limit(&self, pace: Pace) -> Pace {
        pace.min(self.max).max(self.min)
    }
}

/// The order calls that ended in a window of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ObservedCalls {
    /// How many.
    pub calls: u32,
    /// Those without a clear response.
    pub unclear: u32,
    /// The latency that 95 % of them did not exceed; `None` without calls.
    pub p95_ms: Option<u32>,
}

impl ObservedCalls {
    /// Whether more than this share of the calls had no clear response.
    fn has_unclear(&self, percent: u64) -> bool {
        self.unclear >= 2 && u64::from(self.unclear) * 100 > u64::from(self.calls) * percent
    }
}

/// Why the pace moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaceReason {
    /// The order service is slower than the target.
    Slow {
        /// The observed latency.
        p95_ms: u32,
        /// The target.
        target_ms: u32,
    },
    /// Too many calls had no clear response.
    Unclear {
        /// How many.
        unclear: u32,
        /// Of how many.
        calls: u32,
    },
    /// The order service is well within the target.
    Fast {
        /// The observed latency.
        p95_ms: u32,
        /// The target.
        target_ms: u32,
    },
}

impl fmt::Display for PaceReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |ms: &u32| format!("{}.{:02} s", ms / 1000, ms % 1000 / 10);
        match self {
            Self::Slow { p95_ms, target_ms } => {
                write!(f, "order p95 {} over {}", seconds(p95_ms), seconds(target_ms))
            }
            Self::Unclear { unclear, calls } => {
                write!(f, "{unclear} of {calls} order calls without a clear response")
            }
            Self::Fast { p95_ms, target_ms } => {
                write!(f, "order p95 {} within {}", seconds(p95_ms), seconds(target_ms))
            }
        }
    }
}

/// A change of the pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaceStep {
    /// The new pace.
    pub to: Pace,
    /// Why.
    pub reason: PaceReason,
}

/// The settings that a controller depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaceSituation {
    /// The rules.
    pub auto: AutoPace,
    /// The present pace.
    pub pace: Pace,
    /// Whether order calls may start.
    pub runs: bool,
}

/// Decides the steps of one event. It can be lost at any time: a new one only waits before the first rise.
#[derive(Debug, Default)]
pub struct PaceController {
    /// The situation after the last look. Another one was made by an operator, a schedule or another leader.
    known: Option<PaceSituation>,
    /// Calls that ended before this time started before the last step.
    observe_from: Millis,
    stepped_at: Millis,
    quiet_until: Millis,
    /// The pace that led to the last breach, until a higher one has proved to be good. A lower one while the calls that wait at the
    /// order service are still slow does not count.
    too_much: Option<Pace>,
    is_falling: bool,
}

impl PaceController {
    /// Returns the time whose calls to observe: whole seconds. `None` while there is nothing to judge.
    pub fn window(&mut self, situation: &PaceSituation, now: Millis) -> Option<Range<Millis>> {
        if self.known.as_ref() != Some(situation) || !situation.runs || now < self.stepped_at {
            *self = Self {
                known: Some(situation.clone()),
                observe_from: now + REPORT_LATE_MS,
                stepped_at: now,
                quiet_until: now + QUIET_MS,
                too_much: None,
                is_falling: false,
            };
            return None;
        }
        let to = now - now.rem_euclid(1000);
        let from = self.window_start(to);
        (from < to).then_some(from..to)
    }

    /// The first whole second whose calls count, of a window that ends there.
    fn window_start(&self, end: Millis) -> Millis {
        let from = (end - OBSERVED_MAX_MS).max(self.observe_from);
        from + (-from).rem_euclid(1000)
    }

    /// Returns the next step, if any. `observe` returns the calls that ended in a part of the window, which [`Self::window`] returned.
    pub fn step(
        &mut self,
        window: &Range<Millis>,
        now: Millis,
        observe: impl Fn(&Range<Millis>) -> ObservedCalls,
    ) -> Option<PaceStep> {
        let PaceSituation { auto, pace, .. } = self.known.clone()?;
        let (part, observed) = self.judged_part(window, observe)?;
        let p95_ms = observed.p95_ms?;
        let step = match breach(&observed, p95_ms, auto.target_p95_ms) {
            Some(reason) => {
                self.quiet_until = now + QUIET_MS;
                PaceStep { to: auto.limit(lowered(pace, &observed, p95_ms > 2 * auto.target_p95_ms)), reason }
            }
            None if is_well(&auto, pace, &observed, &part) => self.rise(&auto, pace, p95_ms, now)?,
            None => return None,
        };
        (step.to != pace).then(|| self.take(step, pace, p95_ms, now))
    }

    /// The newest part of the window with enough calls, and its calls.
    fn judged_part(
        &self,
        window: &Range<Millis>,
        observe: impl Fn(&Range<Millis>) -> ObservedCalls,
    ) -> Option<(Range<Millis>, ObservedCalls)> {
        let newest = (window.end - OBSERVED_MS).max(window.start)..window.end;
        let all = self.window_start(window.end)..window.end;
        let parts = [newest, all].into_iter().map(|part| (part.clone(), observe(&part)));
        parts.into_iter().find(|(_, observed)| observed.calls >= CALLS_MIN)
    }

    /// Remembers a step from this pace.
    fn take(&mut self, step: PaceStep, from: Pace, p95_ms: u32, now: Millis) -> PaceStep {
        let falls = step.to < from;
        if falls && !self.is_falling {
            self.too_much = Some(from);
        }
        self.is_falling = falls;
        self.stepped_at = now;
        self.observe_from = now + REPORT_LATE_MS + Millis::from(p95_ms).min(SETTLE_MAX_MS);
        if let Some(known) = &mut self.known {
            known.pace = step.to;
        }
        step
    }

    fn rise(&mut self, auto: &AutoPace, pace: Pace, p95_ms: u32, now: Millis) -> Option<PaceStep> {
        let to = auto.limit(self.raised(auto, pace, now)?);
        Some(PaceStep { to, reason: PaceReason::Fast { p95_ms, target_ms: auto.target_p95_ms } })
    }

    /// The pace after a rise; `None` while it must not rise yet.
    fn raised(&mut self, auto: &AutoPace, pace: Pace, now: Millis) -> Option<Pace> {
        if now < self.quiet_until {
            return None;
        }
        if self.too_much.is_some_and(|too_much| pace >= too_much) {
            self.too_much = None;
        }
        let rise = (auto.max.micro() - auto.min.micro()) / RISES_OVER_RANGE;
        let is_close = self.too_much.is_some_and(|too_much| pace.micro() + rise > too_much.micro() / 10 * 9);
        let (rise, every_ms) =
            if is_close { (rise / PROBES_PER_RISE, PROBE_EVERY_MS) } else { (rise, RISE_EVERY_MS) };
        (now - self.stepped_at >= every_ms).then(|| whole(pace.micro() + rise.max(1000)))
    }
}

fn breach(observed: &ObservedCalls, p95_ms: u32, target_ms: u32) -> Option<PaceReason> {
    if observed.has_unclear(UNCLEAR_PERCENT) {
        let ObservedCalls { calls, unclear, .. } = *observed;
        return Some(PaceReason::Unclear { unclear, calls });
    }
    (p95_ms > target_ms).then_some(PaceReason::Slow { p95_ms, target_ms })
}

/// Whether the calls of this window were fast, and used the pace.
fn is_well(auto: &AutoPace, pace: Pace, observed: &ObservedCalls, window: &Range<Millis>) -> bool {
    let observed_ms = window.end - window.start;
    let good_ms = u64::from(auto.target_p95_ms) * GOOD_PERCENT / 100;
    // Calls per second against millionths per second.
    let calls = i128::from(observed.calls) * 1_000_000_000 * 100;
    let is_used = calls >= i128::from(pace.micro()) * i128::from(observed_ms) * i128::from(USED_PERCENT);
    let is_fast = observed.p95_ms.is_some_and(|p95_ms| u64::from(p95_ms) <= good_ms);
    is_used && is_fast && observed_ms >= RISE_OBSERVED_MS
}

fn lowered(pace: Pace, observed: &ObservedCalls, is_far_too_slow: bool) -> Pace {
    let is_bad = is_far_too_slow || observed.has_unclear(BAD_UNCLEAR_PERCENT);
    let micro = pace.micro();
    whole(if is_bad { micro / 2 } else { micro / 10 * 7 })
}

/// The pace of the whole thousandths, at least the slowest one.
fn whole(micro: Micro) -> Pace {
    Pace::from_micro((micro / 1000 * 1000).max(1000)).unwrap_or(Pace::DEFAULT)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pace(text: &str) -> Pace {
        text.parse().unwrap()
    }

    fn rules() -> AutoPace {
        AutoPace { min: pace("10"), max: pace("120"), target_p95_ms: 1500 }
    }

    /// A controller with its event, looked at once a second.
    struct Watched {
        controller: PaceController,
        situation: PaceSituation,
        now: Millis,
        steps: Vec<(Millis, PaceStep)>,
    }

    impl Watched {
        fn at(start: &str) -> Self {
            let situation = PaceSituation { auto: rules(), pace: pace(start), runs: true };
            Self { controller: PaceController::default(), situation, now: 1_000_000, steps: Vec::new() }
        }

        /// Lets a second pass; `observe` gets the seconds of the window.
        fn second(&mut self, observe: impl Fn(Millis, Pace) -> ObservedCalls) {
            self.now += 1000;
            let Some(window) = self.controller.window(&self.situation, self.now) else { return };
            let pace = self.situation.pace;
            let observed = |part: &Range<Millis>| observe((part.end - part.start) / 1000, pace);
            if let Some(step) = self.controller.step(&window, self.now, observed) {
                self.situation.pace = step.to;
                self.steps.push((self.now, step));
            }
        }

        fn seconds(&mut self, count: u32, observe: impl Fn(Millis, Pace) -> ObservedCalls) {
            for _ in 0..count {
                self.second(&observe);
            }
        }

        fn paces(&self) -> Vec<String> {
            self.steps.iter().map(|(_, step)| step.to.to_string()).collect()
        }
    }

    /// All calls of the pace, with this p95.
    fn calls(p95_ms: u32) -> impl Fn(Millis, Pace) -> ObservedCalls {
        move |seconds, pace| {
            let calls = u32::try_from(seconds * pace.micro() / 1_000_000).unwrap();
            ObservedCalls { calls, unclear: 0, p95_ms: (calls > 0).then_some(p95_ms) }
        }
    }

    #[test]
    fn a_slow_order_service_lowers_the_pace_at_once_and_says_why() {
        let mut watched = Watched::at("120");
        watched.seconds(3, calls(400));
        watched.seconds(2, calls(1900));
        assert_eq!(watched.paces(), ["84"]);
        assert_eq!(watched.steps[0].1.reason.to_string(), "order p95 1.90 s over 1.50 s");
        watched.seconds(10, calls(3100));
        assert_eq!(watched.paces()[1], "42", "more than twice the target halves it");
        watched.seconds(60, calls(3100));
        assert_eq!(watched.paces().last().unwrap(), "10", "it stays at the minimum");
    }

    #[test]
    fn calls_without_a_clear_response_lower_the_pace() {
        let unclear = |unclear| move |_, _| ObservedCalls { calls: 100, unclear, p95_ms: Some(50) };
        for (count, expected) in [(1, vec![]), (5, vec![]), (6, vec!["70"]), (21, vec!["50"])] {
            let mut watched = Watched::at("100");
            watched.seconds(4, unclear(count));
            assert_eq!(watched.paces(), expected, "{count} of 100");
        }
        let mut watched = Watched::at("100");
        watched.seconds(4, unclear(6));
        let reason = watched.steps[0].1.reason.to_string();
        assert_eq!(reason, "6 of 100 order calls without a clear response");
    }

    #[test]
    fn the_pace_rises_by_small_steps_while_it_is_used_and_fast() {
        let mut watched = Watched::at("10");
        watched.seconds(30, calls(400));
        assert_eq!(watched.paces(), ["15.5", "21", "26.5", "32"]);
        watched.seconds(300, calls(400));
        assert_eq!(watched.paces().last().unwrap(), "120");
        for observed in [
            ObservedCalls::default(),
            ObservedCalls { calls: 4, unclear: 0, p95_ms: Some(10) },
            ObservedCalls { calls: 20, unclear: 0, p95_ms: Some(10) },
            ObservedCalls { calls: 2000, unclear: 0, p95_ms: Some(1200) },
        ] {
            let mut watched = Watched::at("50");
            watched.seconds(120, |_, _| observed);
            assert_eq!(watched.paces(), [""; 0], "{observed:?}");
        }
    }

    #[test]
    fn close_to_the_pace_that_was_too_much_it_probes_with_smaller_steps() {
        let mut watched = Watched::at("100");
        watched.seconds(3, calls(1600));
        assert_eq!(watched.paces(), ["70"]);
        watched.seconds(200, calls(400));
        let at = |n: usize| watched.steps[n].0;
        assert_eq!(watched.paces()[1..6], ["75.5", "81", "86.5", "87.875", "89.25"]);
        assert!(at(2) - at(1) < PROBE_EVERY_MS && at(5) - at(4) >= PROBE_EVERY_MS);
    }

    #[test]
    fn a_pause_and_an_operators_change_hold_the_pace_for_a_while() {
        let mut watched = Watched::at("50");
        watched.seconds(20, calls(100));
        watched.situation.runs = false;
        watched.seconds(30, calls(9000));
        watched.situation = PaceSituation { auto: rules(), pace: pace("10"), runs: true };
        let (before, resumed_at) = (watched.steps.len(), watched.now);
        watched.seconds(60, calls(100));
        assert!(watched.steps[before].0 >= resumed_at + QUIET_MS);
        assert_eq!(watched.paces()[before], "15.5");
        watched.situation.pace = pace("30");
        let (before, changed_at) = (watched.steps.len(), watched.now);
        watched.seconds(20, calls(100));
        assert!(watched.steps[before].0 >= changed_at + QUIET_MS);
    }

    #[test]
    fn a_clock_that_goes_back_does_not_stop_it() {
        let mut watched = Watched::at("50");
        watched.seconds(20, calls(100));
        watched.now -= 3_600_000;
        watched.seconds(5, calls(2000));
        assert!(watched.steps.last().unwrap().1.to < pace("50"));
    }

    proptest! {
        #[test]
        fn the_pace_stays_in_its_limits_and_never_rises_soon_after_a_breach(
            seconds in prop::collection::vec((0u32..400, 0u32..40, 1u32..9000, 0u8..40), 1..300),
        ) {
            let mut watched = Watched::at("60");
            let mut held_at = watched.now;
            for (count, unclear, p95_ms, event) in seconds {
                if event == 0 {
                    watched.situation.runs = !watched.situation.runs;
                }
                if !watched.situation.runs {
                    held_at = watched.now + 1000;
                }
                let before = watched.situation.pace;
                let steps = watched.steps.len();
                watched.second(|_, _| {
                    ObservedCalls { calls: count, unclear: unclear.min(count), p95_ms: (count > 0).then_some(p95_ms) }
                });
                let now = watched.situation.pace;
                prop_assert!((rules().min..=rules().max).contains(&now));
                if now > before {
                    prop_assert!(watched.now - held_at >= QUIET_MS);
                    prop_assert!(now.micro() - before.micro() <= 110_000_000 / 20, "one small step");
                    prop_assert!(count >= CALLS_MIN && p95_ms <= 1500);
                }
                let is_breach = now < before;
                if is_breach {
                    prop_assert!(now.micro() * 2 + 2000 >= before.micro() || now == rules().min);
                    held_at = watched.now;
                }
                prop_assert!(watched.steps.len() <= steps + 1);
            }
        }
    }
}
