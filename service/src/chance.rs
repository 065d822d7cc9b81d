//! The one place that asks the machine for chance. Everybody else is handed a [`Chance`].

use std::sync::Arc;

/// Fills the bytes with chance; a test's is seeded.
pub type Chance = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// The chance of the operating system.
pub fn system() -> Chance {
    Arc::new(fill)
}

#[expect(clippy::disallowed_methods, reason = "this is where chance comes from")]
fn fill(bytes: &mut [u8]) {
    if let Err(error) = getrandom::fill(bytes) {
        // Going on would make keys and nonces that can be guessed, and no caller could do better than stop.
        tracing::error!(%error, "the operating system gives no random bytes; stopping at once");
        std::process::abort();
    }
}
