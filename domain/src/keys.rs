//! Keys: one root secret per key ID, from which the key of each purpose derives. This module stores and prints nothing.

use std::collections::BTreeMap;
use std::fmt;

use aes_gcm::aead::{Aead, AeadInOut, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::id::{AppKey, EventId, Number, ReqHash};
use crate::person::{Contact, Phone};

/// Bytes of the nonce that seals a contact. Random nonces are safe for 2^32 seals with one key (NIST SP 800-38D 8.3). Each event has
/// its own key, and at most ten million applications.
pub const NONCE_LEN: usize = 12;

/// The usual length of a sealed contact, allocated at once.
const SEALED_USUAL: usize = 128;

/// The ID of a root secret, 1 to 8 characters of a-z and 0-9. With IDs a new secret can be introduced while older ones stay valid.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kid(String);

impl Kid {
    /// The key ID, if it is well formed.
    pub fn new(text: &str) -> Option<Self> {
        let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        (plain && (1..=8).contains(&text.len())).then(|| Self(text.to_owned()))
    }
    /// The key ID as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A root secret, kept as an initialised HMAC, since each application uses it several times.
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

    /// HMAC-SHA256 over the purpose and the parts, each preceded by its length, so that no two lists of parts collide.
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

/// All root secrets of a deployment, and the current one.
#[derive(Debug, Clone)]
pub struct Keyring {
    current: Kid,
    roots: BTreeMap<Kid, Root>,
}

/// Why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The current key is not in the ring.
    #[error("key ID '{0}' is current but has no secret")]
    NoCurrent(String),
    /// The data was made with a key that is not in the ring.
    #[error("key ID '{0}' is not in the ring")]
    Unknown(String),
    /// The data was altered, or belongs to another application.
    #[error("the seal does not match")]
    BadSeal,
}

impl Keyring {
    /// A ring with a `current` root for new data.
    pub fn new(current: Kid, roots: impl IntoIterator<Item = (Kid, Root)>) -> Result<Self, KeyError> {
        let roots: BTreeMap<_, _> = roots.into_iter().collect();
        if roots.contains_key(&current) {
            Ok(Self { current, roots })
        } else {
            Err(KeyError::NoCurrent(current.0))
        }
    }

    /// The ID of the current key.
    pub fn current(&self) -> &Kid {
        &self.current
    }

    /// The IDs of all keys.
    pub(crate) fn kids(&self) -> impl Iterator<Item = &Kid> {
        self.roots.keys()
    }

    pub(crate) fn root(&self, kid: &Kid) -> Result<&Root, KeyError> {
        self.roots.get(kid).ok_or_else(|| KeyError::Unknown(kid.0.clone()))
    }

    /// The keys of an event. `pepper` is the key ID with which the event was created. It stays when the current key changes; otherwise a
    /// person would get a second number.
    pub fn event(&self, event: &EventId, pepper: &Kid) -> Result<EventKeys, KeyError> {
        let root = self.root(pepper)?.clone();
        let contact = root.mac("contact", &[event.as_str().as_bytes()]);
        Ok(EventKeys { event: event.clone(), root, cipher: Aes256Gcm::new(&contact.into()) })
    }
}

/// The keys of an event: they derive application keys, hashes of secrets and recovery codes, and seal contacts.
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

    /// The application key of the person with this phone number.
    pub fn app_key(&self, phone: &Phone) -> AppKey {
        AppKey(first(&self.mac("app-key", &[b"phone", phone.reveal().as_bytes()])))
    }

    /// The application key of the shop's member with this subject.
    pub fn member_key(&self, subject: &str) -> AppKey {
        AppKey(first(&self.mac("app-key", &[b"member", subject.as_bytes()])))
    }

    /// The hash of the secret of a client; an empty secret counts as none.
    pub fn req_hash(&self, secret: &str) -> ReqHash {
        if secret.is_empty() {
            ReqHash::NONE
        } else {
            ReqHash(first(&self.mac("secret", &[secret.as_bytes()])))
        }
    }

    /// The recovery code, 8 base32 characters, which turns a view receipt into a full one.
    pub fn recovery_code(&self, key: AppKey, number: Number) -> String {
        let mac = self.mac("recovery", &[&key.0, &number.get().to_be_bytes()]);
        BASE32_NOPAD.encode(&mac[..5])
    }

    /// Whether a typed code is that of the application; case, spaces and dashes do not matter. Compared in constant time.
    pub fn recovers(&self, typed: &str, key: AppKey, number: Number) -> bool {
        let plain: String =
            typed.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
        let code = self.recovery_code(key, number);
        plain.as_bytes().ct_eq(code.as_bytes()).into()
    }

    /// Encrypts a contact for storage, bound to its application. `nonce` must be random, since it must never repeat.
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

    /// Decrypts a contact that [`EventKeys::seal`] encrypted for the same application.
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
    fn a_person_has_unrelated_keys_in_two_events() {
        assert_eq!(keys("spring", 1).app_key(&phone()), keys("spring", 1).app_key(&phone()));
        assert_ne!(keys("spring", 1).app_key(&phone()), keys("summer", 1).app_key(&phone()));
        assert_ne!(keys("spring", 1).app_key(&phone()), keys("spring", 2).app_key(&phone()));
        let member = |event| keys(event, 1).member_key(phone().reveal());
        assert_eq!(member("spring"), member("spring"));
        assert_ne!(member("spring"), member("summer"));
        assert_ne!(member("spring"), keys("spring", 1).app_key(&phone()), "a subject is no phone number");
    }

    #[test]
    fn a_recovery_code_matches_in_any_case_and_grouping() {
        let keys = keys("spring", 1);
        let key = AppKey([3; 16]);
        let number = Number::new(7).unwrap();
        let code = keys.recovery_code(key, number);
        assert_eq!(code.len(), 8);
        let typed = format!(" {}-{} ", code[..4].to_lowercase(), &code[4..]);
        assert!(keys.recovers(&typed, key, number));
        assert!(!keys.recovers(&typed, key, Number::new(8).unwrap()));
        assert!(!keys.recovers("", key, number));
    }

    #[test]
    fn a_sealed_contact_opens_only_for_its_application() {
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
