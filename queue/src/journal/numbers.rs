//! A set of numbers, one bit each: a million take 125 KB.

use domain::Number;

#[derive(Debug, Default)]
pub(super) struct NumberSet(Vec<u64>);

impl NumberSet {
    /// Inserts the number; `false` if it was there.
    pub(super) fn insert(&mut self, number: Number) -> bool {
        let (word, bit) = place(number);
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        let is_new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        is_new
    }

    pub(super) fn contains(&self, number: Number) -> bool {
        let (word, bit) = place(number);
        self.0.get(word).is_some_and(|bits| bits & bit != 0)
    }

    /// The highest number; 0 if there is none.
    pub(super) fn last(&self) -> u32 {
        let last = self.0.iter().rposition(|bits| *bits != 0);
        let last = last.map(|word| word as u64 * 64 + u64::from(self.0[word].ilog2()));
        last.and_then(|last| u32::try_from(last).ok()).unwrap_or(0)
    }
}

fn place(number: Number) -> (usize, u64) {
    ((number.get() / 64) as usize, 1 << (number.get() % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_the_numbers_that_were_inserted() {
        let mut set = NumberSet::default();
        assert_eq!(set.last(), 0);
        for n in [1, 63, 64, 65, 4_000] {
            let number = Number::new(n).unwrap();
            assert!(set.insert(number) && !set.insert(number), "{n}");
        }
        let has = |n| set.contains(Number::new(n).unwrap());
        assert!(
            [1, 63, 64, 65, 4_000].into_iter().all(has)
                && ![2, 62, 66, 3_999, 4_001, 90_000].into_iter().any(has)
        );
        assert_eq!(set.last(), 4_000);
    }
}
