//! Keys: one root secret for each key id, from which every purpose derives its own. Nothing here is stored or printed.

use std::collections::BTreeMap;
use std::fmt;

use aes_gcm::aead::{Aead, AeadInOut, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::id::{AppKey, EventId, Number, ReqHash};
use crate::person::{Contact, Phone};

/// Bytes of the nonce that seals a contact. Random ones are safe for 2^32 seals with one key (NIST SP 800-38D 8.3); an event has a
/// key of its own, and its queue ten million applications.
pub const NONCE_LEN: usize = 12;

/// A usual contact, sealed: room made once.
const SEALED_USUAL: usize = 128;

/// Names a root secret, so that a new one can come into use while the old ones still open what they made: 1 to 8 of a-z, 0-9.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kid(String);

impl Kid {
    /// The key id, if it is well formed.
    pub fn new(text: &str) -> Option<Self> {
        let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        (plain && (1..=8).contains(&text.len())).then(|| Self(text.to_owned()))
    }
    /// The key id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A root secret, kept as an HMAC that has already taken it in: it is asked several times for each application.
#[derive(Clone)]
pub struct Root(Hmac<Sha256>);

impl Root {
    /// A root secret from its 32 bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(
            <Hmac<Sha256> as KeyInit>::new_from_slice(&bytes)
                .unwrap_or_else(|_| unreachable!("HMAC takes a key of any length")),
        )
    }

    /// HMAC-SHA256 over the purpose and the parts, each with its length before it, so that no two lists of parts collide.
    pub(crate) fn mac(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in std::iter::once(purpose.as_bytes()).chain(parts.iter().copied()) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Root(…)")
    }
}

/// All root secrets of a deployment, and which one makes new things.
#[derive(Debug, Clone)]
pub struct Keyring {
    current: Kid,
    roots: BTreeMap<Kid, Root>,
}

/// Why keys cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The key that shall make new things is not in the ring.
    #[error("key id '{0}' is named as current but has no secret")]
    NoCurrent(String),
    /// What is to be opened was made with a key that is not in the ring.
    #[error("key id '{0}' is not in the ring")]
    Unknown(String),
    /// What is to be opened was altered, or belongs to another application.
    #[error("the seal does not match")]
    BadSeal,
}

impl Keyring {
    /// A ring whose `current` root makes new things.
    pub fn new(current: Kid, roots: impl IntoIterator<Item = (Kid, Root)>) -> Result<Self, KeyError> {
        let roots: BTreeMap<_, _> = roots.into_iter().collect();
        if roots.contains_key(&current) {
            Ok(Self { current, roots })
        } else {
            Err(KeyError::NoCurrent(current.0))
        }
    }

    /// The key id that makes new things.
    pub fn current(&self) -> &Kid {
        &self.current
    }

    pub(crate) fn root(&self, kid: &Kid) -> Result<&Root, KeyError> {
        self.roots.get(kid).ok_or_else(|| KeyError::Unknown(kid.0.clone()))
    }

    /// An event's own keys. `pepper` is the key id that the event was made with: it stays when the current one changes,
    /// else one person would get a second number.
    pub fn event(&self, event: &EventId, pepper: &Kid) -> Result<EventKeys, KeyError> {
        let root = self.root(pepper)?.clone();
        let contact = root.mac("contact", &[event.as_str().as_bytes()]);
        Ok(EventKeys { event: event.clone(), root, cipher: Aes256Gcm::new(&contact.into()) })
    }
}

/// What an event derives: application keys, hashes of secrets, recovery codes and the seal of contacts.
#[derive(Clone)]
pub struct EventKeys {
    event: EventId,
    root: Root,
    cipher: Aes256Gcm,
}

impl fmt::Debug for EventKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventKeys({})", self.event)
    }
}

impl EventKeys {
    fn mac(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut all = vec![self.event.as_str().as_bytes()];
        all.extend_from_slice(parts);
        self.root.mac(purpose, &all)
    }

    /// The key of the person with this phone, in this event.
    pub fn app_key(&self, phone: &Phone) -> AppKey {
        AppKey(first(&self.mac("app-key", &[b"phone", phone.reveal().as_bytes()])))
    }

    /// The hash of the client's secret; an empty secret is none.
    pub fn req_hash(&self, secret: &str) -> ReqHash {
        if secret.is_empty() {
            ReqHash::NONE
        } else {
            ReqHash(first(&self.mac("secret", &[secret.as_bytes()])))
        }
    }

    /// The recovery code: 8 base32 letters that turn a view receipt into a full one.
    pub fn recovery_code(&self, key: AppKey, number: Number) -> String {
        let mac = self.mac("recovery", &[&key.0, &number.get().to_be_bytes()]);
        BASE32_NOPAD.encode(&mac[..5])
    }

    /// Whether a typed code is this application's: case, spaces and dashes do not matter. Compared in constant time.
    pub fn recovers(&self, typed: &str, key: AppKey, number: Number) -> bool {
        let plain: String =
            typed.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
        let code = self.recovery_code(key, number);
        plain.len() == code.len()
            && plain.bytes().zip(code.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
    }

    /// Seals a contact for rest, bound to its application. `nonce` must never repeat: take it from chance.
    pub fn seal(&self, contact: &Contact, key: AppKey, nonce: [u8; NONCE_LEN]) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(SEALED_USUAL);
        sealed.extend_from_slice(&nonce);
        serde_json::to_writer(&mut sealed, contact)
            .unwrap_or_else(|_| unreachable!("two strings are always JSON"));
        let tag = self
            .cipher
            .encrypt_inout_detached(&Nonce::from(nonce), &key.0, (&mut sealed[nonce.len()..]).into())
            .unwrap_or_else(|_| unreachable!("a contact is far below the cipher's limit"));
        sealed.extend_from_slice(&tag);
        sealed
    }

    /// Opens what [`EventKeys::seal`] sealed for the same application.
    pub fn open(&self, sealed: &[u8], key: AppKey) -> Result<Contact, KeyError> {
        let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(KeyError::BadSeal)?;
        let plain = self
            .cipher
            .decrypt(&Nonce::from(*nonce), Payload { msg: body, aad: &key.0 })
            .map_err(|_| KeyError::BadSeal)?;
        serde_json::from_slice(&plain).map_err(|_| KeyError::BadSeal)
    }
}

fn first<const N: usize>(mac: &[u8; 32]) -> [u8; N] {
    std::array::from_fn(|i| mac[i])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::person::Name;

    fn keys(event: &str, root: u8) -> EventKeys {
        let kid = Kid::new("k1").unwrap();
        let ring = Keyring::new(kid.clone(), [(kid.clone(), Root::new([root; 32]))]).unwrap();
        ring.event(&event.parse().unwrap(), &kid).unwrap()
    }
    fn phone() -> Phone {
        Phone::parse("01012345678").unwrap()
    }

    #[test]
    fn two_events_know_one_person_under_unrelated_keys() {
        assert_eq!(keys("spring", 1).app_key(&phone()), keys("spring", 1).app_key(&phone()));
        assert_ne!(keys("spring", 1).app_key(&phone()), keys("summer", 1).app_key(&phone()));
        assert_ne!(keys("spring", 1).app_key(&phone()), keys("spring", 2).app_key(&phone()));
    }

    #[test]
    fn a_recovery_code_is_read_as_people_type_it() {
        let (keys, key, number) = (keys("spring", 1), AppKey([3; 16]), Number::new(7).unwrap());
        let code = keys.recovery_code(key, number);
        assert_eq!(code.len(), 8);
        let typed = format!(" {}-{} ", code[..4].to_lowercase(), &code[4..]);
        assert!(keys.recovers(&typed, key, number));
        assert!(!keys.recovers(&typed, key, Number::new(8).unwrap()));
        assert!(!keys.recovers("", key, number));
    }

    #[test]
    fn a_sealed_contact_opens_for_its_application_only() {
        let contact = Contact { name: Name::parse("홍길동").unwrap(), phone: phone() };
        let mut sealed = keys("spring", 1).seal(&contact, AppKey([3; 16]), [9; NONCE_LEN]);
        assert_eq!(keys("spring", 1).open(&sealed, AppKey([3; 16])), Ok(contact));
        assert_eq!(keys("spring", 1).open(&sealed, AppKey([4; 16])), Err(KeyError::BadSeal));
        assert_eq!(keys("summer", 1).open(&sealed, AppKey([3; 16])), Err(KeyError::BadSeal));
        sealed[30] ^= 1;
        assert_eq!(keys("spring", 1).open(&sealed, AppKey([3; 16])), Err(KeyError::BadSeal));
        assert_eq!(keys("spring", 1).open(b"short", AppKey([3; 16])), Err(KeyError::BadSeal));
    }

    #[test]
    fn a_ring_without_its_current_key_is_refused() {
        let refused = Keyring::new(Kid::new("k2").unwrap(), [(Kid::new("k1").unwrap(), Root::new([1; 32]))]);
        assert_eq!(refused.unwrap_err(), KeyError::NoCurrent("k2".into()));
    }
}
