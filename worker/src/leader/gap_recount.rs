//! After applications were restored into a gap, the gap is no longer one range: the rank of every number behind it would be too low.
//! The recount reads which numbers of the gaps are in use, and gives the queue the ranges that are really empty.

use std::cmp::Reverse;

use domain::{EventId, Gap, Gaps};
use queue::Queue;

use crate::error::Error;

/// Applications read in one call.
const PAGE: u32 = 1000;
/// Calls in one round, so that the lease is extended meanwhile.
const PAGES: u32 = 20;
/// The ranges that the progress document may list: every page reads it. Of more, the smallest are left out, and their numbers count
/// as if they were in use: a rank is then too high by a few, never too low.
const RANGES_MAX: usize = 200;

/// A recount under way.
#[derive(Debug, Default)]
pub(crate) struct GapRecount {
    /// All gaps up to here are recounted.
    through: u32,
    empty: Gaps,
}

impl GapRecount {
    /// Goes on with the recount of these gaps. Returns the ranges that are empty once it is done.
    pub(crate) async fn go_on(
        &mut self,
        queue: &Queue,
        event: &EventId,
        gaps: &Gaps,
    ) -> Result<Option<Gaps>, Error> {
        for _ in 0..PAGES {
            let Some(gap) = gaps.ranges().iter().find(|gap| gap.to > self.through) else {
                return Ok(Some(largest(&self.empty)));
            };
            self.through = self.through.max(gap.from - 1);
            let entries = queue.entries(event, self.through, PAGE).await?;
            let used: Vec<u32> = entries
                .iter()
                .map(|entry| entry.number.get())
                .take_while(|number| *number <= gap.to)
                .collect();
            self.add(&used);
            // Behind a full page the gap may go on.
            if used.len() < PAGE as usize {
                self.empty.push(self.through + 1, gap.to);
                self.through = gap.to;
            }
        }
        Ok(None)
    }

    fn add(&mut self, used: &[u32]) {
        for number in used {
            self.empty.push(self.through + 1, number - 1);
            self.through = *number;
        }
    }
}

/// The ranges, or the largest of them if there are too many.
fn largest(gaps: &Gaps) -> Gaps {
    let mut ranges: Vec<Gap> = gaps.ranges().to_vec();
    if ranges.len() > RANGES_MAX {
        ranges.sort_unstable_by_key(|gap| Reverse(gap.to - gap.from));
        ranges.truncate(RANGES_MAX);
        ranges.sort_unstable_by_key(|gap| gap.from);
    }
    let mut kept = Gaps::default();
    for gap in ranges {
        kept.push(gap.from, gap.to);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_ranges_the_largest_are_kept_in_order() {
        let mut gaps = Gaps::default();
        for n in 0..300 {
            let from = n * 100 + 1;
            gaps.push(from, from + n % 50);
        }
        let kept = largest(&gaps);
        assert_eq!(kept.ranges().len(), RANGES_MAX);
        assert!(kept.ranges().is_sorted_by_key(|gap| gap.from));
        let smallest = kept.ranges().iter().map(|gap| gap.to - gap.from).min();
        assert_eq!(smallest, Some(16), "all 198 ranges of more than 17 numbers, and two of 17");
        assert_eq!(largest(&kept), kept);
    }
}
