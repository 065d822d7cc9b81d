//! Counts wrong tokens by address, so that a guesser fills no log and no core. A right token is never refused for it: whoever
//! shares an address with a guesser can still work.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use domain::{Chance, Millis};

const SLOTS: usize = 1024;
const WINDOW_MS: Millis = 60_000;
/// Wrong tokens that one address may tell in a minute.
const MOST: u32 = 20;

/// Wrong tokens in the present minute, by address. Addresses that fall into one slot share it, so its memory is fixed.
pub(crate) struct Tries {
    seed: u64,
    slots: Mutex<Vec<(Millis, u32)>>,
}

impl Tries {
    pub(crate) fn new(chance: &Chance) -> Self {
        let mut seed = [0; 8];
        chance(&mut seed);
        Self { seed: u64::from_le_bytes(seed), slots: Mutex::new(vec![(0, 0); SLOTS]) }
    }

    /// Counts a wrong token; above the most it tells how many seconds to wait.
    pub(crate) fn wrong(&self, from: Option<IpAddr>, now: Millis) -> Result<(), u32> {
        let mut hasher = DefaultHasher::new();
        (self.seed, from).hash(&mut hasher);
        let nth = usize::try_from(hasher.finish() % SLOTS as u64).unwrap_or(0);
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, tries) = &mut slots[nth];
        if !(0..WINDOW_MS).contains(&(now - *since)) {
            (*since, *tries) = (now, 0);
        }
        *tries = tries.saturating_add(1);
        let left = (*since + WINDOW_MS - now).unsigned_abs().div_ceil(1000);
        if *tries <= MOST { Ok(()) } else { Err(u32::try_from(left).unwrap_or(60)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guesser_waits_until_the_minute_is_over() {
        let tries = Tries::new(&testkit::seeded(1));
        let (one, other) = ("10.0.0.1".parse().ok(), "10.0.0.2".parse().ok());
        for _ in 0..MOST {
            assert_eq!(tries.wrong(one, 100_000), Ok(()));
        }
        assert_eq!(tries.wrong(one, 110_000), Err(50));
        assert_eq!(tries.wrong(other, 110_000), Ok(()));
        assert_eq!(tries.wrong(one, 160_000), Ok(()));
    }
}
