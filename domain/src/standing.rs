//! Where a number stands: how many are ahead, and whether the stock reaches it. The page does the same sums in its own script.

use serde::{Deserialize, Serialize};

use crate::id::Number;

/// A run of numbers that were skipped for good, `from` to `to`, both included: nobody has them, so nobody waits for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// First skipped number.
    pub from: u32,
    /// Last skipped number.
    pub to: u32,
}

/// All skipped runs of a queue, in order, apart from each other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Gaps(Vec<Gap>);

impl Gaps {
    /// The runs, in order.
    pub fn runs(&self) -> &[Gap] {
        &self.0
    }

    /// Adds a run behind all others; an empty one (`from > to`) adds nothing, a touching one grows the last.
    pub fn push(&mut self, from: u32, to: u32) {
        if from > to {
            return;
        }
        match self.0.last_mut() {
            Some(last) if last.to + 1 >= from => last.to = last.to.max(to),
            _ => self.0.push(Gap { from, to }),
        }
    }

    /// How many numbers in `above < n <= through` were skipped.
    pub fn count(&self, above: u32, through: u32) -> u32 {
        self.0.iter().map(|gap| gap.to.min(through).saturating_sub(gap.from.max(above + 1) - 1)).sum()
    }

    /// Whether this number was skipped.
    pub fn holds(&self, number: u32) -> bool {
        self.0.iter().any(|gap| (gap.from..=gap.to).contains(&number))
    }
}

/// Where one number stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// How many stand before it now; only ever falls.
    pub ahead: u32,
    /// Its rank among all numbers that were really given, from 1. Within the capacity means in range.
    pub rank: u32,
}

impl Position {
    /// The place of `number` in a queue that has moved through `admitted_through`.
    pub fn of(number: Number, admitted_through: u32, gaps: &Gaps) -> Self {
        let before = number.get() - 1;
        let ahead = before.saturating_sub(admitted_through);
        let skipped = if ahead == 0 { 0 } else { gaps.count(admitted_through, before) };
        Self { ahead: ahead - skipped, rank: number.get() - gaps.count(0, before) }
    }

    /// Whether the stock reaches this place; else its number on the waitlist, from 1.
    pub fn waitlisted(self, capacity: u32) -> Option<u32> {
        self.rank.checked_sub(capacity).filter(|n| *n > 0)
    }
}

/// The event's standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stock {
    /// A seat is free or held.
    Available,
    /// Every seat is sold.
    SoldOut,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(n: u32) -> Number {
        Number::new(n).unwrap()
    }

    #[test]
    fn skipped_numbers_are_nobody() {
        let mut gaps = Gaps::default();
        gaps.push(11, 1010);
        let place = Position::of(number(1011), 5, &gaps);
        assert_eq!(place, Position { ahead: 5, rank: 11 });
        assert_eq!((place.waitlisted(11), place.waitlisted(10)), (None, Some(1)));
    }

    #[test]
    fn touching_runs_are_one() {
        let mut gaps = Gaps::default();
        for (from, to) in [(5, 9), (10, 12), (20, 19), (30, 30)] {
            gaps.push(from, to);
        }
        assert_eq!(gaps.runs(), [Gap { from: 5, to: 12 }, Gap { from: 30, to: 30 }]);
    }

    proptest! {
        #[test]
        fn ahead_never_rises_and_counts_those_really_there(
            runs in prop::collection::vec((1u32..20, 0u32..20), 0..8),
            n in 1u32..300,
            moved in prop::collection::vec(0u32..300, 2),
        ) {
            let (mut gaps, mut at) = (Gaps::default(), 0);
            for (space, len) in runs {
                gaps.push(at + space, at + space + len);
                at += space + len + 1;
            }
            prop_assume!(!gaps.holds(n));
            let (low, high) = (moved[0].min(moved[1]), moved[0].max(moved[1]));
            let (early, late) = (Position::of(number(n), low, &gaps), Position::of(number(n), high, &gaps));
            prop_assert!(late.ahead <= early.ahead);
            let there = (low + 1..n).filter(|m| !gaps.holds(*m)).count();
            prop_assert_eq!(early.ahead as usize, there);
        }
    }
}
