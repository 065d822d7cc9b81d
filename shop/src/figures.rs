//! What the shop counts of itself, so that a load test can prove a pace from the receiving end. Of bounded size, lost with the process.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use service::http::RouteName;

/// A second's worth of calls, for the last ten minutes.
const BY_SECOND: (i64, usize) = (1000, 600);
/// Starts of order calls by 100 ms, for the last ten minutes.
const BY_TENTH: (i64, usize) = (100, 6000);

/// What is counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The main page.
    Main,
    /// Product pages.
    Product,
    /// Checkout.
    Order,
    /// `PUT` and `DELETE` of an event's order.
    OrderCall,
    /// Style and pictures.
    Asset,
}

const KINDS: [Kind; 5] = [Kind::Main, Kind::Product, Kind::Order, Kind::OrderCall, Kind::Asset];

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Product => "product",
            Self::Order => "order",
            Self::OrderCall => "order_call",
            Self::Asset => "asset",
        }
    }

    /// What metrics and logs call its routes.
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

/// Everything that was counted; a clone is the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures(Arc<Mutex<Counted>>);

#[derive(Debug)]
struct Counted {
    kinds: [Tally; KINDS.len()],
    starts: Timeline,
}

impl Default for Counted {
    fn default() -> Self {
        Self { kinds: KINDS.map(|_| Tally::default()), starts: Timeline::new(BY_TENTH) }
    }
}

#[derive(Debug)]
struct Tally {
    calls: u64,
    overloaded: u64,
    under_way: u32,
    most_at_once: u32,
    by_second: Timeline,
}

impl Default for Tally {
    fn default() -> Self {
        Self { calls: 0, overloaded: 0, under_way: 0, most_at_once: 0, by_second: Timeline::new(BY_SECOND) }
    }
}

/// A call under way; dropped when it is over.
#[derive(Debug)]
pub(crate) struct UnderWay(Figures, Kind);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.with(|counted| counted.kinds[self.1 as usize].under_way -= 1);
    }
}

impl Figures {
    /// A call came.
    pub(crate) fn begin(&self, kind: Kind, now: i64) -> UnderWay {
        self.with(|counted| {
            let tally = &mut counted.kinds[kind as usize];
            tally.calls += 1;
            tally.under_way += 1;
            tally.most_at_once = tally.most_at_once.max(tally.under_way);
            tally.by_second.count(now);
            if kind == Kind::OrderCall {
                counted.starts.count(now);
            }
        });
        UnderWay(self.clone(), kind)
    }

    /// There was no room for a call.
    pub(crate) fn overloaded(&self, kind: Kind) {
        self.with(|counted| counted.kinds[kind as usize].overloaded += 1);
    }

    /// The document.
    pub(crate) fn to_json(&self, now: i64) -> Value {
        self.with(|counted| {
            let kinds = KINDS.map(|kind| (kind.name().to_owned(), counted.kinds[kind as usize].to_json()));
            json!({
                "now_ms": now,
                "kinds": serde_json::Map::from_iter(kinds),
                "order_call_starts": counted.starts.to_json(),
            })
        })
    }

    fn with<T>(&self, f: impl FnOnce(&mut Counted) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Tally {
    fn to_json(&self) -> Value {
        json!({
            "calls": self.calls, "overloaded": self.overloaded, "under_way": self.under_way,
            "most_at_once": self.most_at_once, "by_second": self.by_second.to_json(),
        })
    }
}

/// Counts by slots of time; the oldest fall out.
#[derive(Debug)]
struct Timeline {
    slot_ms: i64,
    slots_max: usize,
    /// The first slot that is kept, counted from 1970.
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
            // The first one, or a clock that jumped or slept longer than anything is kept.
            self.counts.clear();
            self.first = slot;
        }
        // A clock that went back a little counts for the first slot there is.
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
    fn a_timeline_keeps_the_last_slots_only() {
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
    fn the_most_at_once_is_remembered_and_each_kind_is_counted_apart() {
        let figures = Figures::default();
        let both = (figures.begin(Kind::OrderCall, 50), figures.begin(Kind::OrderCall, 150));
        drop(both);
        drop(figures.begin(Kind::Main, 200));
        figures.overloaded(Kind::Main);
        let told = figures.to_json(300);
        let (calls, main) = (&told["kinds"]["order_call"], &told["kinds"]["main"]);
        assert_eq!(
            (&calls["calls"], &calls["most_at_once"], &calls["under_way"]),
            (&json!(2), &json!(2), &json!(0))
        );
        assert_eq!(
            (&main["calls"], &main["overloaded"], &main["most_at_once"]),
            (&json!(1), &json!(1), &json!(1))
        );
        assert_eq!(
            told["order_call_starts"],
            json!({ "slot_ms": 100, "first_slot_ms": 0, "counts": [1, 1] })
        );
    }
}
