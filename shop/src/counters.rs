//! The shop's counters, by which a load test verifies a pace from the receiving end. Bounded in size, in memory only.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};
use service::http::RouteName;

/// Calls per second over the last ten minutes: slot length in milliseconds, slots.
const BY_SECOND: (i64, usize) = (1000, 600);
/// Starts of order calls per 100 ms over the last ten minutes.
const BY_TENTH: (i64, usize) = (100, 6000);

/// The kinds of requests with separate counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestKind {
    /// The main page.
    Main,
    /// Product pages.
    Product,
    /// Checkout.
    Order,
    /// `PUT` and `DELETE` of an event's order.
    OrderCall,
    /// Stylesheet and pictures.
    Asset,
}

const KINDS: [RequestKind; 5] =
    [RequestKind::Main, RequestKind::Product, RequestKind::Order, RequestKind::OrderCall, RequestKind::Asset];

impl RequestKind {
    fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Product => "product",
            Self::Order => "order",
            Self::OrderCall => "order_call",
            Self::Asset => "asset",
        }
    }

    /// The route's name in metrics and logs.
    pub(crate) fn route(self) -> RouteName {
        RouteName(match self {
            Self::Main => "shop main",
            Self::Product => "shop product",
            Self::Order => "shop order",
            Self::OrderCall => "shop order call",
            Self::Asset => "shop asset",
        })
    }
}

/// All counters; clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct ShopCounters(Arc<Mutex<CounterValues>>);

#[derive(Debug)]
struct CounterValues {
    kinds: [KindCounters; KINDS.len()],
    starts: Timeline,
}

impl Default for CounterValues {
    fn default() -> Self {
        Self { kinds: KINDS.map(|_| KindCounters::default()), starts: Timeline::new(BY_TENTH) }
    }
}

#[derive(Debug)]
struct KindCounters {
    calls: u64,
    overloaded: u64,
    under_way: u32,
    most_at_once: u32,
    by_second: Timeline,
}

impl Default for KindCounters {
    fn default() -> Self {
        Self { calls: 0, overloaded: 0, under_way: 0, most_at_once: 0, by_second: Timeline::new(BY_SECOND) }
    }
}

/// A call under way, until it is dropped.
#[derive(Debug)]
pub(crate) struct UnderWay(ShopCounters, RequestKind);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.with(|counters| counters.kinds[self.1 as usize].under_way -= 1);
    }
}

impl ShopCounters {
    /// Counts the start of a call.
    pub(crate) fn begin(&self, kind: RequestKind, now: i64) -> UnderWay {
        self.with(|counters| {
            let kind_counters = &mut counters.kinds[kind as usize];
            kind_counters.calls += 1;
            kind_counters.under_way += 1;
            kind_counters.most_at_once = kind_counters.most_at_once.max(kind_counters.under_way);
            kind_counters.by_second.count(now);
            if kind == RequestKind::OrderCall {
                counters.starts.count(now);
            }
        });
        UnderWay(self.clone(), kind)
    }

    /// Counts a call that was shed because the service was overloaded.
    pub(crate) fn overloaded(&self, kind: RequestKind) {
        self.with(|counters| counters.kinds[kind as usize].overloaded += 1);
    }

    /// The counters as JSON.
    pub(crate) fn to_json(&self, now: i64) -> Value {
        self.with(|counters| {
            let kinds = KINDS.map(|kind| (kind.name().to_owned(), counters.kinds[kind as usize].to_json()));
            json!({
                "now_ms": now,
                "kinds": serde_json::Map::from_iter(kinds),
                "order_call_starts": counters.starts.to_json(),
            })
        })
    }

    fn with<T>(&self, f: impl FnOnce(&mut CounterValues) -> T) -> T {
        f(&mut self.0.lock())
    }
}

impl KindCounters {
    fn to_json(&self) -> Value {
        json!({
            "calls": self.calls, "overloaded": self.overloaded, "under_way": self.under_way,
            "most_at_once": self.most_at_once, "by_second": self.by_second.to_json(),
        })
    }
}

/// Counts per slot of time; the oldest slots are dropped.
#[derive(Debug)]
struct Timeline {
    slot_ms: i64,
    slots_max: usize,
    /// The first slot that is kept, counters from 1970.
    first: i64,
    counts: VecDeque<u32>,
}

impl Timeline {
    fn new((slot_ms, slots_max): (i64, usize)) -> Self {
        Self { slot_ms, slots_max, first: 0, counts: VecDeque::new() }
    }

    fn count(&mut self, now: i64) {
        let slot = now.div_euclid(self.slot_ms);
        if self.counts.is_empty() || slot.abs_diff(self.first) >= 2 * self.slots_max as u64 {
            // The first call, or a clock that jumped further than the slots kept.
            self.counts.clear();
            self.first = slot;
        }
        // After a small step back of the clock, the call counts in the first slot.
        let at = usize::try_from(slot - self.first).unwrap_or(0);
        while self.counts.len() <= at {
            self.counts.push_back(0);
        }
        self.counts[at] += 1;
        while self.counts.len() > self.slots_max {
            self.counts.pop_front();
            self.first += 1;
        }
    }

    fn to_json(&self) -> Value {
        json!({ "slot_ms": self.slot_ms, "first_slot_ms": self.first.saturating_mul(self.slot_ms), "counts": self.counts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(timeline: &Timeline) -> (i64, Vec<u32>) {
        (timeline.first, timeline.counts.iter().copied().collect())
    }

    #[test]
    fn a_timeline_keeps_only_the_last_slots() {
        let mut timeline = Timeline::new((100, 3));
        for now in [1000, 1099, 1100, 1250] {
            timeline.count(now);
        }
        assert_eq!(slots(&timeline), (10, vec![2, 1, 1]));
        timeline.count(1399);
        assert_eq!(slots(&timeline), (11, vec![1, 1, 1]));
        timeline.count(1050);
        assert_eq!(slots(&timeline), (11, vec![2, 1, 1]));
        timeline.count(999_999);
        assert_eq!(slots(&timeline), (9999, vec![1]));
        for extreme in [i64::MIN, i64::MAX, 0] {
            timeline.count(extreme);
            assert_eq!(timeline.counts, [1]);
        }
    }

    #[test]
    fn each_kind_is_counted_separately_with_its_highest_concurrency() {
        let shop_counters = ShopCounters::default();
        let both = (
            shop_counters.begin(RequestKind::OrderCall, 50),
            shop_counters.begin(RequestKind::OrderCall, 150),
        );
        drop(both);
        drop(shop_counters.begin(RequestKind::Main, 200));
        shop_counters.overloaded(RequestKind::Main);
        let json = shop_counters.to_json(300);
        let (calls, main) = (&json["kinds"]["order_call"], &json["kinds"]["main"]);
        assert_eq!(
            (&calls["calls"], &calls["most_at_once"], &calls["under_way"]),
            (&json!(2), &json!(2), &json!(0))
        );
        assert_eq!(
            (&main["calls"], &main["overloaded"], &main["most_at_once"]),
            (&json!(1), &json!(1), &json!(1))
        );
        assert_eq!(
            json["order_call_starts"],
            json!({ "slot_ms": 100, "first_slot_ms": 0, "counts": [1, 1] })
        );
    }
}
