//! Sessions of browsers. They live in the memory of this process: a restart, or a restart with other tokens, ends them all. The
//! browser holds a random secret in a cookie that no script can read; the process holds its hash.

use std::collections::HashMap;

use data_encoding::BASE64URL_NOPAD;
use domain::{Millis, Rng};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

/// How long a session lasts: a working day and a night shift.
pub(crate) const LIFE_MS: Millis = 12 * 3_600_000;
/// The most sessions at once; a further one ends the oldest.
const SESSIONS_MAX: usize = 1000;

type Hash = [u8; 32];

#[derive(Debug, Clone)]
struct Session {
    /// The name of the token that opened it.
    token: String,
    since: Millis,
}

/// The open sessions.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<HashMap<Hash, Session>>);

impl Sessions {
    /// Opens a session for the holder of this token, and returns its secret.
    pub(crate) fn open(&self, token: &str, rng: &Rng, now: Millis) -> String {
        let mut secret = [0; 32];
        rng(&mut secret);
        let secret = BASE64URL_NOPAD.encode(&secret);
        let mut sessions = self.0.lock();
        sessions.retain(|_, session| is_alive(session, now));
        if sessions.len() >= SESSIONS_MAX
            && let Some(oldest) =
                sessions.iter().min_by_key(|(_, session)| session.since).map(|(hash, _)| *hash)
        {
            sessions.remove(&oldest);
        }
        sessions.insert(hash_of(&secret), Session { token: token.to_owned(), since: now });
        secret
    }

    /// The name of the token that opened the session with this secret, if it has not ended.
    pub(crate) fn token_name(&self, secret: &str, now: Millis) -> Option<String> {
        let sessions = self.0.lock();
        sessions
            .get(&hash_of(secret))
            .filter(|session| is_alive(session, now))
            .map(|session| session.token.clone())
    }

    /// Ends a session.
    pub(crate) fn close(&self, secret: &str) {
        self.0.lock().remove(&hash_of(secret));
    }
}

/// Looking a session up by the hash of its secret leaks no part of the secret by its time.
fn hash_of(secret: &str) -> Hash {
    Sha256::digest(secret).into()
}

fn is_alive(session: &Session, now: Millis) -> bool {
    (0..LIFE_MS).contains(&(now - session.since))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;

    #[test]
    fn a_session_lasts_until_it_is_closed_or_its_time_is_over() {
        let count = AtomicU8::new(0);
        let rng: Rng =
            std::sync::Arc::new(move |bytes: &mut [u8]| bytes.fill(count.fetch_add(1, Ordering::Relaxed)));
        let sessions = Sessions::default();
        let (kim, lee) = (sessions.open("kim", &rng, 0), sessions.open("lee", &rng, 1000));
        assert_eq!(sessions.token_name(&kim, LIFE_MS - 1).as_deref(), Some("kim"));
        assert_eq!(sessions.token_name(&kim, LIFE_MS), None);
        assert_eq!(sessions.token_name("", 0), None);
        sessions.close(&lee);
        assert_eq!(sessions.token_name(&lee, 1000), None);
    }

    #[test]
    fn one_session_too_many_ends_the_oldest() {
        let count = std::sync::atomic::AtomicU64::new(0);
        let rng: Rng = std::sync::Arc::new(move |bytes: &mut [u8]| {
            bytes[..8].copy_from_slice(&count.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        });
        let sessions = Sessions::default();
        let first = sessions.open("kim", &rng, 0);
        let second = sessions.open("kim", &rng, 1);
        for _ in 1..SESSIONS_MAX {
            sessions.open("kim", &rng, 2);
        }
        assert_eq!(sessions.token_name(&first, 2), None);
        assert_eq!(sessions.token_name(&second, 2).as_deref(), Some("kim"));
    }
}
