//! An order service with a queue of its own, called at the automatic pace, in steps of 100 ms.

use std::collections::VecDeque;
use std::ops::Range;

use domain::{AutoPace, Millis, ObservedCalls, Pace, PaceController, PaceSituation};

const TICK_MS: Millis = 100;
/// The most calls in flight, of which some wait at the order service.
const IN_FLIGHT_MAX: f64 = 150.0;

/// What the order service can do at a time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Speed {
    /// Calls per second.
    pub(crate) capacity: f64,
    /// The latency of a call that does not wait, in milliseconds.
    pub(crate) latency_ms: f64,
}

/// One second of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Second {
    /// The pace, in calls per second.
    pub(crate) pace: f64,
    /// The latency of the calls that ended, in milliseconds.
    pub(crate) p95_ms: f64,
}

/// Runs for so many seconds, and returns each of them.
pub(crate) fn run(
    auto: &AutoPace,
    start: Pace,
    seconds: Millis,
    speed: impl Fn(Millis) -> Speed,
) -> Vec<Second> {
    let mut situation = PaceSituation { auto: auto.clone(), pace: start, runs: true };
    let mut controller = PaceController::default();
    // The calls that ended in each tick, with their latency.
    let mut ended: VecDeque<(Millis, f64, f64)> = VecDeque::new();
    let (mut waiting, mut run) = (0.0_f64, Vec::new());
    for second in 1..=seconds {
        for tick in 0..1000 / TICK_MS {
            let Speed { capacity, latency_ms } = speed(second);
            let in_service = capacity * latency_ms / 1000.0;
            let room = (IN_FLIGHT_MAX - in_service - waiting).max(0.0);
            waiting += (calls_per_s(situation.pace) / 10.0).min(room);
            let served = (capacity / 10.0).min(waiting);
            waiting -= served;
            ended.push_back((
                second * 1000 - 1000 + tick * TICK_MS,
                served,
                latency_ms + waiting / capacity * 1000.0,
            ));
        }
        let now = second * 1000;
        run.push(Second { pace: calls_per_s(situation.pace), p95_ms: p95(&ended, now - 1000..now).1 });
        if let Some(window) = controller.window(&situation, now) {
            let observe = |part: &Range<Millis>| {
                let (calls, p95_ms) = p95(&ended, part.clone());
                ObservedCalls { calls: whole(calls), unclear: 0, p95_ms: Some(whole(p95_ms)) }
            };
            if let Some(step) = controller.step(&window, now, observe) {
                situation.pace = step.to;
            }
        }
    }
    run
}

/// The pace as a number.
pub(crate) fn calls_per_s(pace: Pace) -> f64 {
    pace.to_string().parse().unwrap_or(0.0)
}

/// The number of calls in a window, and the latency that 95 % of them did not exceed.
fn p95(ended: &VecDeque<(Millis, f64, f64)>, window: Range<Millis>) -> (f64, f64) {
    let mut calls: Vec<(f64, f64)> = ended
        .iter()
        .filter(|(at, ..)| window.contains(at))
        .map(|(_, served, latency)| (*latency, *served))
        .collect();
    calls.sort_by(|a, b| a.0.total_cmp(&b.0));
    let count: f64 = calls.iter().map(|(_, served)| served).sum();
    let mut below = 0.0;
    let at = calls.iter().find(|(_, served)| {
        below += served;
        below >= count * 0.95
    });
    (count, at.map_or(0.0, |(latency, _)| *latency))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts and latencies are small and not negative"
)]
fn whole(n: f64) -> u32 {
    n.round() as u32
}
