//! The live figures of an event. They are read once a second, however many streams and pages show them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::{EventId, EventSettings, Millis, Release};
use ledger::{ActivityRow, CallActivity};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::error::Error;
use crate::response::{CallFigures, ChangeResponse, EventResponse, LiveResponse, MetricSecond, RecentRates};
use crate::timestamp;

/// How long figures are used again.
const FRESH: Duration = Duration::from_millis(800);
/// The seconds over which rates are taken.
const RATE_SECONDS: Millis = 10;
/// A dispatcher reports up to this much late, so the last second is not complete.
const LATE_MS: Millis = 1000;
/// A stream must report soon that the ledger does not respond.
const READ_MAX: Duration = Duration::from_secs(2);

type Cached = HashMap<EventId, (Instant, Arc<LiveResponse>)>;

/// The last figures of each event that was shown.
#[derive(Debug, Default)]
pub(crate) struct LiveCache(Mutex<Cached>);

impl LiveCache {
    /// The figures of the event, at most a second old and never older than its last change. Only one caller reads them.
    pub(crate) async fn get(
        &self,
        event: &EventId,
        read: impl Future<Output = Result<LiveResponse, Error>>,
    ) -> Result<Arc<LiveResponse>, Error> {
        let mut cached = self.0.lock().await;
        if let Some((read_at, live)) = cached.get(event)
            && read_at.elapsed() < FRESH
        {
            return Ok(Arc::clone(live));
        }
        let began = Instant::now();
        let read = tokio::time::timeout(READ_MAX, read).await;
        let live = Arc::new(read.map_err(|_| Error::Unavailable)??);
        cached.insert(event.clone(), (began, Arc::clone(&live)));
        Ok(live)
    }

    /// Makes the next request read the figures of this event anew.
    pub(crate) async fn invalidate(&self, event: &EventId) {
        self.0.lock().await.remove(event);
    }
}

/// The first second whose figures [`compose`] needs.
pub(crate) fn needed_since(now: Millis) -> Millis {
    now - (RATE_SECONDS + 2) * 1000
}

/// The live figures of an event from what was read from the ledger.
pub(crate) fn compose(
    event: EventResponse,
    settings: &EventSettings,
    rows: &[ActivityRow],
    change: Option<ChangeResponse>,
    now: Millis,
) -> LiveResponse {
    LiveResponse {
        at: timestamp::format(now),
        recent: recent(rows, now),
        remaining_s: remaining_s(&event, settings),
        seconds: rows.iter().map(MetricSecond::from).collect(),
        change,
        event,
    }
}

/// Rates over the last complete seconds.
fn recent(rows: &[ActivityRow], now: Millis) -> RecentRates {
    let end = now - LATE_MS - (now - LATE_MS).rem_euclid(1000);
    let start = end - RATE_SECONDS * 1000;
    let mut calls = CallActivity::default();
    for row in rows.iter().filter(|row| (start..end).contains(&row.at)) {
        calls.add(&row.calls);
    }
    let applied: Vec<(Millis, u32)> = rows.iter().filter_map(|row| Some((row.at, row.applied?))).collect();
    let applied_per_s = applied.first().zip(applied.last()).filter(|(first, last)| last.0 > first.0);
    let applied_per_s = applied_per_s.map(|(first, last)| {
        let seconds = u32::try_from((last.0 - first.0) / 1000).unwrap_or(1).max(1);
        tenths(f64::from(last.1.saturating_sub(first.1)) / f64::from(seconds))
    });
    let calls_per_s = tenths(f64::from(calls.calls()) / 10.0);
    RecentRates { applied_per_s, calls_per_s, calls: CallFigures::from(&calls) }
}

fn tenths(rate: f64) -> f64 {
    (rate * 10.0).round() / 10.0
}

/// The time in which the waiting applications that still get a seat are called, at this pace; none if none of them gets one.
pub(crate) fn remaining_s(event: &EventResponse, settings: &EventSettings) -> Option<u64> {
    let waiting = event.queue.as_ref()?.waiting;
    if settings.release != Release::Running || waiting == 0 {
        return None;
    }
    let held = u64::from(event.seats.held);
    let seats = u64::from(settings.capacity).saturating_sub(held + u64::from(event.seats.sold));
    let called = u64::from(waiting).min(seats);
    (called > 0).then(|| (called * 1_000_000).div_ceil(settings.pace.micro().unsigned_abs().max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(at: Millis, applied: u32, calls: u32) -> ActivityRow {
        let mut activity = CallActivity::default();
        for _ in 0..calls {
            activity.count_call(40);
        }
        ActivityRow { at, applied: Some(applied), waiting: Some(1), calls: activity }
    }

    #[test]
    fn rates_are_taken_over_ten_complete_seconds() {
        let rows: Vec<_> = (0..13_u32).map(|n| row(Millis::from(n) * 1000, n * 20, 5)).collect();
        let rates = recent(&rows, 12_400);
        assert_eq!((rates.applied_per_s, rates.calls_per_s, rates.calls.count), (Some(20.0), 5.0, 50));
        let silent = recent(&[], 12_400);
        assert_eq!((silent.applied_per_s, silent.calls_per_s, silent.calls.p50_ms), (None, 0.0, None));
    }
}
