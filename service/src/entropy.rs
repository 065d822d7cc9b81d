//! Random bytes from the operating system. This is the only place that reads them; all other code gets an [`Rng`].

use std::cell::RefCell;
use std::sync::Arc;

/// Fills the bytes with random ones. Tests use a seeded one.
pub type Rng = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// Bytes that each thread fetches at once: a system call for every nonce took 3 % of the time of an application.
const POOL: usize = 1024;

thread_local! {
    static UNUSED: RefCell<UnusedBytes> = const { RefCell::new(UnusedBytes { bytes: [0; POOL], left: 0 }) };
}

/// Random bytes that have not been used. Used ones are overwritten.
struct UnusedBytes {
    bytes: [u8; POOL],
    left: usize,
}

impl UnusedBytes {
    fn take(&mut self, out: &mut [u8]) {
        if self.left < out.len() {
            fetch(&mut self.bytes);
            self.left = POOL;
        }
        let taken = &mut self.bytes[self.left - out.len()..self.left];
        out.copy_from_slice(taken);
        taken.fill(0);
        self.left -= out.len();
    }
}

/// The random source of the operating system.
pub fn system() -> Rng {
    Arc::new(|out| match out.len() {
        0..=POOL => UNUSED.with_borrow_mut(|unused| unused.take(out)),
        _ => fetch(out),
    })
}

#[expect(clippy::disallowed_methods, reason = "this is the source that `Rng` stands for")]
fn fetch(bytes: &mut [u8]) {
    if let Err(error) = getrandom::fill(bytes) {
        // Without random bytes keys and nonces could be guessed, and no caller can do better than abort.
        tracing::error!(%error, "the operating system returned no random bytes; aborting");
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_bytes_are_used_twice_and_any_length_is_filled() {
        let rng = system();
        let mut seen = BTreeSet::new();
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
