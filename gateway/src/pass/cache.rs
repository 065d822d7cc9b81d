//! Passes that were verified, in a table of fixed size: a signature takes about 30 us to verify (27 to 39 measured). Each pass
//! has two places by a hash of its whole text, with a secret, so that no one can choose passes that displace others. The text itself is
//! compared, so that a pass is never taken for another one.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use domain::Millis;

use super::verified::VerifiedPass;

/// The places. A pass takes about 600 bytes, so all together at most 5 MiB.
const PLACES: usize = 8192;

/// The verified passes.
pub(super) struct PassCache {
    places: Box<[ArcSwapOption<VerifiedPass>]>,
    hasher: RandomState,
}

impl PassCache {
    pub(super) fn new() -> Self {
        Self { places: (0..PLACES).map(|_| ArcSwapOption::empty()).collect(), hasher: RandomState::new() }
    }

    /// The verified pass with this text.
    pub(super) fn get(&self, text: &str) -> Option<Arc<VerifiedPass>> {
        self.places_of(text).into_iter().find_map(|place| {
            let held = place.load();
            held.as_ref().filter(|held| &*held.text == text).map(Arc::clone)
        })
    }

    /// Adds a pass, in place of one that has expired if there is one.
    pub(super) fn add(&self, pass: VerifiedPass, now: Millis) -> Arc<VerifiedPass> {
        let pass = Arc::new(pass);
        let places = self.places_of(&pass.text);
        let is_free = |place: &&ArcSwapOption<VerifiedPass>| {
            place.load().as_ref().is_none_or(|held| held.pass.expires_at <= now)
        };
        let place = places.into_iter().find(is_free).unwrap_or(places[0]);
        place.store(Some(Arc::clone(&pass)));
        pass
    }

    fn places_of(&self, text: &str) -> [&ArcSwapOption<VerifiedPass>; 2] {
        let hash = self.hasher.hash_one(text);
        [hash, hash >> 32].map(|hash| &self.places[usize::try_from(hash % PLACES as u64).unwrap_or(0)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Number, Pass};

    fn pass(n: u32) -> VerifiedPass {
        let pass = Pass {
            event: "spring".parse().unwrap(),
            application: "0".repeat(32),
            number: Number::new(n).unwrap(),
            issued_at: 0,
            expires_at: 1000,
        };
        VerifiedPass::new(&n.to_string(), pass)
    }

    #[test]
    fn nearly_all_of_a_thousand_passes_are_kept_and_none_is_mixed_up() {
        let cache = PassCache::new();
        for n in 1..=1000 {
            cache.add(pass(n), 0);
        }
        let known = (1..=1000).filter(|n| {
            let found = cache.get(&n.to_string());
            assert!(found.as_ref().is_none_or(|found| found.pass.number.get() == *n));
            found.is_some()
        });
        assert!(known.count() > 900);
        assert!(cache.get("1001").is_none());
    }

    #[test]
    fn the_size_is_fixed() {
        let cache = PassCache::new();
        for n in 1..=50_000 {
            cache.add(pass(n), 0);
        }
        assert_eq!(cache.places.len(), PLACES);
        assert!((1..=50_000).filter(|n| cache.get(&n.to_string()).is_some()).count() <= PLACES);
    }
}
