//! A seeded random source for tests. Never for keys: the seed determines all bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The type that the product takes as its random source: fills the bytes.
pub type Rng = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// A source (splitmix64) that returns the same bytes for the same seed.
pub fn seeded(seed: u64) -> Rng {
    let state = AtomicU64::new(seed);
    Arc::new(move |bytes| {
        for chunk in bytes.chunks_mut(8) {
            let word = mix(state.fetch_add(GOLDEN, Ordering::Relaxed).wrapping_add(GOLDEN));
            chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
        }
    })
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeded_bytes_are_those_of_splitmix64() {
        let rng = seeded(1_234_567);
        for expected in [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423] {
            let mut word = [0; 8];
            rng(&mut word);
            assert_eq!(u64::from_le_bytes(word), expected);
        }
    }

    #[test]
    fn a_different_seed_results_in_different_bytes() {
        let draw = |seed| {
            let mut bytes = [0; 13];
            seeded(seed)(&mut bytes);
            bytes
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
