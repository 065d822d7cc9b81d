//! The position of a number: how many are ahead of it, and whether it is on the waitlist. The page's
//! JavaScript implements the same computation.

use serde::{Deserialize, Serialize};

use crate::id::Number;

/// A range of skipped numbers, `from` to `to` inclusive. No application has them or will have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The first skipped number.
    pub from: u32,
    /// The last skipped number.
    pub to: u32,
}

/// All ranges of skipped numbers of a queue, in order and not adjacent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Gaps(Vec<Gap>);

impl Gaps {
    /// The ranges, in order.
    pub fn ranges(&self) -> &[Gap] {
        &self.0
    }

    /// Appends a range. Ranges must be pushed in ascending order; one that overlaps or touches the last is merged into it. An
    /// empty one (`from > to`) adds nothing.
    pub fn push(&mut self, from: u32, to: u32) {
        if from > to {
            return;
        }
        match self.0.last_mut() {
            Some(last) if last.to + 1 >= from => last.to = last.to.max(to),
            _ => self.0.push(Gap { from, to }),
        }
    }

    /// How many numbers with `above < n <= through` were skipped.
    pub fn count(&self, above: u32, through: u32) -> u32 {
        self.0.iter().map(|gap| gap.to.min(through).saturating_sub(gap.from.max(above + 1) - 1)).sum()
    }

    /// Whether this number was skipped.
    pub fn contains(&self, number: u32) -> bool {
        self.0.iter().any(|gap| (gap.from..=gap.to).contains(&number))
    }
}

/// The position of a number in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// How many numbers before this one admission has not read yet, without skipped ones. It never increases.
    pub ahead: u32,
    /// The rank among the numbers that were not skipped, from 1. A rank above the capacity is on the waitlist.
    pub rank: u32,
}

impl Position {
    /// The position of `number` when admission has read all numbers up to `admitted_through`.
    pub fn of(number: Number, admitted_through: u32, gaps: &Gaps) -> Self {
        let before = number.get() - 1;
        let ahead = before.saturating_sub(admitted_through);
        let skipped = if ahead == 0 { 0 } else { gaps.count(admitted_through, before) };
        Self { ahead: ahead - skipped, rank: number.get() - gaps.count(0, before) }
    }

    /// The position on the waitlist, from 1; `None` within the capacity.
    pub fn waitlisted(self, capacity: u32) -> Option<u32> {
        self.rank.checked_sub(capacity).filter(|n| *n > 0)
    }
}

/// Whether an event has seats left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stock {
    /// A seat is free, or held by an application in progress.
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
    fn skipped_numbers_do_not_count() {
        let mut gaps = Gaps::default();
        gaps.push(11, 1010);
        let position = Position::of(number(1011), 5, &gaps);
        assert_eq!(position, Position { ahead: 5, rank: 11 });
        assert_eq!((position.waitlisted(11), position.waitlisted(10)), (None, Some(1)));
    }

    #[test]
    fn adjacent_ranges_are_merged() {
        let mut gaps = Gaps::default();
        for (from, to) in [(5, 9), (10, 12), (20, 19), (30, 30)] {
            gaps.push(from, to);
        }
        assert_eq!(gaps.ranges(), [Gap { from: 5, to: 12 }, Gap { from: 30, to: 30 }]);
    }

    proptest! {
        #[test]
        fn ahead_never_rises_and_counts_only_assigned_numbers(
            ranges in prop::collection::vec((1u32..20, 0u32..20), 0..8),
            n in 1u32..300,
            admitted in prop::collection::vec(0u32..300, 2),
        ) {
            let mut gaps = Gaps::default();
            let mut at = 0;
            for (space, len) in ranges {
                gaps.push(at + space, at + space + len);
                at += space + len + 1;
            }
            prop_assume!(!gaps.contains(n));
            let (low, high) = (admitted[0].min(admitted[1]), admitted[0].max(admitted[1]));
            let (early, late) = (Position::of(number(n), low, &gaps), Position::of(number(n), high, &gaps));
            prop_assert!(late.ahead <= early.ahead);
            let assigned = (low + 1..n).filter(|m| !gaps.contains(*m)).count();
            prop_assert_eq!(early.ahead as usize, assigned);
        }
    }
}
