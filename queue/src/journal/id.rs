//! The id of a journal, by which the ledger knows it.

use std::fmt;
use std::str::FromStr;

use domain::Rng;

/// The id of a journal: random, and written in each of its segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JournalId(u128);

impl JournalId {
    pub(super) fn random(rng: &Rng) -> Self {
        let mut bytes = [0; 16];
        rng(&mut bytes);
        Self(u128::from_le_bytes(bytes))
    }
}

impl fmt::Display for JournalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for JournalId {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16).map(Self)
    }
}
