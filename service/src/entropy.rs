//! The one place that asks the machine for chance. Everybody else is handed a [`Rng`].

use std::cell::RefCell;
use std::sync::Arc;

/// Fills the bytes with chance; a test's is seeded.
pub type Rng = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// So many bytes are fetched at once by each thread: a system call for every nonce took 3 % of the time of an application.
const POOL: usize = 1024;

thread_local! {
    static UNUSED: RefCell<Unused> = const { RefCell::new(Unused { bytes: [0; POOL], left: 0 }) };
}

/// Random bytes that nobody was given yet. What is given is wiped here.
struct Unused {
    bytes: [u8; POOL],
    left: usize,
}

impl Unused {
    fn give(&mut self, wanted: &mut [u8]) {
        if self.left < wanted.len() {
            fetch(&mut self.bytes);
            self.left = POOL;
        }
        let given = &mut self.bytes[self.left - wanted.len()..self.left];
        wanted.copy_from_slice(given);
        given.fill(0);
        self.left -= wanted.len();
    }
}

/// The chance of the operating system.
pub fn system() -> Rng {
    Arc::new(|wanted| match wanted.len() {
        0..=POOL => UNUSED.with_borrow_mut(|unused| unused.give(wanted)),
        _ => fetch(wanted),
    })
}

#[expect(clippy::disallowed_methods, reason = "this is where chance comes from")]
fn fetch(bytes: &mut [u8]) {
    if let Err(error) = getrandom::fill(bytes) {
        // Going on would make keys and nonces that can be guessed, and no caller could do better than stop.
        tracing::error!(%error, "the operating system gives no random bytes; stopping at once");
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_bytes_are_given_twice_and_any_length_is_served() {
        let (rng, mut seen) = (system(), BTreeSet::new());
        for _ in 0..10_000 {
            let mut nonce = [0; 24];
            rng(&mut nonce);
            assert!(seen.insert(nonce));
        }
        for length in [0, 1, POOL - 1, POOL, POOL + 1, 3 * POOL] {
            let mut bytes = vec![0; length];
            rng(&mut bytes);
            assert!(length < 16 || bytes.iter().any(|byte| *byte != 0));
        }
    }
}
